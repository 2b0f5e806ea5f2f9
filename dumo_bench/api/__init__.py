"""What a program calls, and the command line too: `import dumo_bench as db`, then `db.run(...)`.

db.run(method="uce", suite="emoji-cartoon", cases=["ghost"], limit=24)   # or db.run("EXPERIMENT.toml")
db.read("results").pandas()                                              # or .polars(), .duckdb()
db.compare("uce", "original", out="results")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.api import carry, experiment, file
from dumo_bench.api import planned as planning
from dumo_bench.api.experiment import AttackRow, Experiment, MethodRow, SuiteRow
from dumo_bench.api.planned import Planned
from dumo_bench.api.results import Results, read
from dumo_bench.errors import UserError
from dumo_bench.storage import remote

if TYPE_CHECKING:
    from dumo_bench.analysis.differences import Difference
    from dumo_bench.report.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an experiment: a verdict a row and case, what failed and why, and the folder with everything."""

    verdicts: tuple[Verdict, ...]
    failed: Mapping[str, str]
    results: Results

    def __str__(self) -> str:
        return "\n".join(map(str, self.verdicts))


def run(of: Experiment | str | Path | None = None, /, **said: Any) -> Outcome:
    """Fit, generate and score what is missing of an experiment, a file of one, or one method on one suite.

    said: method, suite, cases, settings and seed in place of an experiment, and fields of an Experiment, such as limit,
    out, device. Raises UserError, in one line, on what is wrong, before anything is made.
    """
    whole = asked(of, **said)
    found: list[Verdict] = []
    failed: dict[str, str] = {}
    for done in carry.each(whole):
        failed |= {str(done.row): done.error} if done.error else {}
        failed |= {**done.session.spent.get("failed", {}), **done.session.spent.get("scorers_failed", {})}
        if done.scored:
            found += told(done)
    return Outcome(tuple(found), failed, Results(remote.place(whole.out)))


def told(done: carry.Done) -> list[Verdict]:
    """The verdicts of a row that was carried out."""
    from dumo_bench.report import verdicts

    plan, out = done.session.plan, done.session.out
    return verdicts.of_plan(verdicts.tables(out, plan), plan)


def plan(of: Experiment | str | Path | None = None, /, **said: Any) -> list[Planned]:
    """What `run` would make, row by row; makes nothing, and the model need not be here."""
    return planning.planned(asked(of, **said))


def asked(of: Experiment | str | Path | None = None, /, **said: Any) -> Experiment:
    """The experiment that is meant: as for `run`."""
    return experiment.asked(file.read(Path(of)) if isinstance(of, (str, Path)) else of, **said)


def compare(a: str, b: str, *, out: str | Path = "results", metric: str = "*", case: str = "*") -> Sequence[Difference]:
    """Two methods of a folder ("uce", "uce:ridge=50") prompt by prompt: the difference a - b of every metric and role
    with its interval, p, and q, corrected over all of them."""
    from dumo_bench.analysis import compare as comparing
    from dumo_bench.analysis.sides import side

    where = remote.place(str(out))
    return comparing.compare(side(a, where), side(b, where), metric, case)


__all__ = [
    "AttackRow",
    "Experiment",
    "MethodRow",
    "Results",
    "SuiteRow",
    "UserError",
    "compare",
    "plan",
    "read",
    "run",
]
