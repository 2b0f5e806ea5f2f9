"""What `plan`, `generate`, `score` and `run` print as JSON: the tables of output.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from dumo_bench import texts

if TYPE_CHECKING:
    from dumo_bench.api.carry import Done
    from dumo_bench.api.planned import Planned
    from dumo_bench.run.budget import Cost
    from dumo_bench.run.choice import Choice
    from dumo_bench.run.plan import Count, Plan, Request
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


def planned(found: Sequence[Planned]) -> Tables:
    """What an experiment would make, a row of it a row."""
    tables = [plan(one.plan, one.count, one.measured, one.not_judged) for one in found]
    rows = [{**_asked(one.row.request), **row} for one, of in zip(found, tables, strict=True) for row in of["plan"]]
    return {
        "plan": rows,
        **{name: once(row for of in tables for row in of[name]) for name in ("scorers", "not_judged")},
    }


def _asked(request: Request) -> Mapping[str, Any]:
    return {"method": request.method, "settings": dict(request.settings), "fit_seed": request.fit_seed}


def once(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Equal rows once, in order."""
    return list({texts.json(row): row for row in rows}.values())


def costs(found: Sequence[Cost | None]) -> Tables:
    """What the missing pictures cost: one row where it was asked for and something is missing."""
    return {"cost": [{**cost._asdict(), "device_hours": cost.hours} for cost in found if cost]}


def done(found: Sequence[Done]) -> Tables:
    """What came of an experiment."""
    rows = {
        "made": made([one.session for one in found if not one.error]),
        "summary": summary([one.session for one in found if one.scored]),
    }
    failed = [{"kind": "row", "name": str(one.row), "why": one.error} for one in found if one.error]
    return {**rows["made"], "failed": [*rows["made"]["failed"], *failed], **rows["summary"]}


def made(sessions: Sequence[Session]) -> Tables:
    """What was made, and what failed and why."""
    return {
        "made": [_made(session) for session in sessions],
        "failed": [row for session in sessions for row in _failed(session)],
    }


def _made(session: Session) -> Mapping[str, Any]:
    spent = session.spent
    counts = {"edits": spent.get("edits_made", 0), "pictures": spent.get("made", 0)}
    seconds = {name: spent.get(name, 0.0) for name in ("fit_seconds", "generate_seconds", "score_seconds")}
    about = {**_asked(session.request), "suite": session.plan.suite.name}
    return {**about, **counts, **seconds, "out": str(session.out)}


def _failed(session: Session) -> list[Mapping[str, str]]:
    kinds = {"picture": session.spent.get("failed", {}), "scorer": session.spent.get("scorers_failed", {})}
    return [{"kind": kind, "name": name, "why": why} for kind, of in kinds.items() for name, why in of.items()]


def summary(sessions: Sequence[Session]) -> Tables:
    """The verdicts of what was just run, and the rows of the summary that are of its suites and cases."""
    from dumo_bench import report
    from dumo_bench.report import verdicts

    told, rows = [], list[Mapping[str, Any]]()
    for session in sessions:
        plan = session.plan
        called, ran = verdicts.names(plan), {part.case.name for part in plan.reference}
        told += verdicts.rows(verdicts.of_plan(verdicts.tables(session.out, plan), plan))
        every = report.rows(report.read(session.out))
        rows += [row for row in every if row["suite"] in called and row["case"] in ran]
    return {"verdicts": told, "summary": once(rows)}
