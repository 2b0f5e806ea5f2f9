"""What an experiment would make, row by row: nothing is made, and no model is loaded or has to be here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dumo_bench.api.experiment import Experiment, Row
from dumo_bench.plugins import static
from dumo_bench.run import before, choice
from dumo_bench.run import plan as planning
from dumo_bench.run.choice import Choice
from dumo_bench.run.plan import Count, Plan
from dumo_bench.storage import remote
from dumo_bench.storage.store import Store


@dataclass(frozen=True, slots=True)
class Planned:
    """A row with its plan, how much of it is there, what would measure it, and what a scorer cannot judge."""

    row: Row
    plan: Plan
    count: Count
    measured: Choice
    not_judged: Sequence[tuple[str, Sequence[str]]]


def planned(of: Experiment) -> list[Planned]:
    """Every row, checked as a run would."""
    return [_planned(row, of.out) for row in of.rows()]


def _planned(row: Row, out: str) -> Planned:
    found = planning.make(row.request, static.make, unseen=True)
    measured, folder = choice.make(row.scorers, found.suite), remote.place(out)
    before.check(measured.specs, found.suite, folder)
    counted = planning.count(found, Store(folder), row.request.shard)
    return Planned(row, found, counted, measured, list(choice.not_judged(measured.specs, found.suite)))
