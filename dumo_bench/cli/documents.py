"""What `plan`, `generate`, `score` and `run` print as JSON: the tables of output.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from dumo_bench.run.budget import Cost
    from dumo_bench.run.choice import Choice
    from dumo_bench.run.plan import Count, Plan
    from dumo_bench.run.session import Session

Tables: TypeAlias = dict[str, Sequence[Mapping[str, Any]]]
REASONS = {
    **dict.fromkeys(
        ("present", "edits_present"), "the model is not on this machine, so what a run would make has no name"
    ),
    "memory": "this system does not say it",
}


def plan(found: Plan, count: Count, measured: Choice, not_judged: Iterable[tuple[str, Sequence[str]]]) -> Tables:
    """What a run would make, what would measure it, and which words a scorer does not know."""
    about = {"suite": found.suite.name, "suite_version": found.suite.version, "model": found.model,
             "width": found.contract.width, "height": found.contract.height}  # fmt: skip
    scorers = [{"scorer": spec, "left_out": measured.left_out.get(spec, "")}
               for spec in (*measured.specs, *measured.left_out)]  # fmt: skip
    return {
        "plan": [{**about, "cases": [part.case.name for part in found.reference], **count._asdict()}],
        "scorers": scorers,
        "not_judged": [{"scorer": spec, "words": list(words)} for spec, words in not_judged],
    }


def costs(found: Sequence[Cost | None]) -> Tables:
    """What the missing pictures cost: one row where it was asked for and something is missing."""
    return {"cost": [{**cost._asdict(), "device_hours": cost.hours} for cost in found if cost]}


def made(session: Session) -> Tables:
    """What was made, and what failed and why."""
    spent = session.spent
    counts = {"edits": spent.get("edits_made", 0), "pictures": spent.get("made", 0)}
    seconds = {name: spent.get(name, 0.0) for name in ("fit_seconds", "generate_seconds", "score_seconds")}
    kinds = {"picture": spent.get("failed", {}), "scorer": spent.get("scorers_failed", {})}
    failed = [{"kind": kind, "name": name, "why": why} for kind, of in kinds.items() for name, why in of.items()]
    return {"made": [{**counts, **seconds, "out": str(session.out)}], "failed": failed}


def summary(session: Session) -> Tables:
    """The rows of the summary that are of the suite and the cases that were just run."""
    from dumo_bench import report
    from dumo_bench.cli import show

    called, ran = show.names(session), {part.case.name for part in session.plan.reference}
    rows = report.rows(report.read(session.out))
    return {"summary": [row for row in rows if row["suite"] in called and row["case"] in ran]}
