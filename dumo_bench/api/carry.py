"""An experiment carried out: every row is checked before anything is made, then each makes what it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from dumo_bench import engines
from dumo_bench.api.experiment import AttackRow, Experiment, Row
from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.plugins import settings as setting
from dumo_bench.progress import log
from dumo_bench.run import attack, before, budget, steps
from dumo_bench.run.needs import NotApplicable
from dumo_bench.run.session import Loaded, Session
from dumo_bench.storage import remote

if TYPE_CHECKING:
    from dumo_bench.run.budget import Cost


@dataclass(frozen=True, slots=True)
class Prepared:
    """A row with its session, whose plan is made and checked, the scorers that measure it and the attacks on it."""

    row: Row
    session: Session
    scorers: tuple[str, ...]
    attacks: tuple[attack.Aim, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """A row that was carried out. scored: False where that waits for other shards; error: why it stopped, or ""."""

    row: Row
    session: Session
    scored: bool = False
    error: str = ""

    @property
    def failed(self) -> bool:
        return bool(self.error) or self.session.failed


def each(of: Experiment) -> Iterator[Done]:
    """Every row, as soon as it is done, and behind it the suites that attacks on it found.

    One that stops with a UserError is told and does not stop the others; an experiment of one row raises it.
    """
    found = prepared(of)
    if of.budget:
        found = _within(of, found, setting.duration(of.budget))
    for one in found:
        try:
            yield from _told(of, _carried(of, one))
        except UserError as error:
            if len(found) == 1:
                raise
            log.error(f"{one.row}: {error}")
            yield Done(one.row, one.session, error=str(error))


def prepared(of: Experiment) -> list[Prepared]:
    """Every row, checked. One whose method the model cannot run is noted for the report, and left out of several."""
    engines.make(of.workers, of.device)  # refuses one that is not installed
    if of.log:
        from dumo_bench.api import track

        track.check(of.log, remote.place(of.out))
    found = list(_sessions(of))
    if not found:
        raise UserError("no method of the experiment can be run on its model: `dumo-bench list models`")
    chosen: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    for row, session in found:
        if (key := (row.request.suite, row.scorers)) not in chosen:
            chosen[key] = before.chosen(session, row.scorers)
            before.check(chosen[key], session.plan.suite, session.out)
    return [
        Prepared(row, session, chosen[row.request.suite, row.scorers], tuple(_aims(of.attacks, session)))
        for row, session in found
    ]


def _sessions(of: Experiment) -> Iterator[tuple[Row, Session]]:
    every, loaded = of.rows(), Loaded()
    for row in every:
        session = Session(row.request, remote.place(of.out), Local(), of.device, of.batch_size, loaded=loaded)
        try:
            before.needed(session)
        except NotApplicable as why:
            if len(every) == 1:
                raise
            log.warning(f"{row}: left out: {why.reason}")
            continue
        yield row, session


def _aims(attacks: Sequence[AttackRow], session: Session) -> Iterator[attack.Aim]:
    for one in attacks:
        model = session.plan.model
        aim = attack.Aim(attack.made(one.name, one.settings, model), one.seed, one.pictures)
        attack.knows(aim.attack, model)
        yield aim


def costs(of: Experiment) -> list[Cost | None]:
    """What each suite would cost, measured here; what of it the budget is enough for is said."""
    found = _measured(of, prepared(of))
    if of.budget:
        budget.within(found, setting.duration(of.budget))
    return [cost for _, cost in found]


def _measured(of: Experiment, found: Sequence[Prepared]) -> list[tuple[list[Session], Cost | None]]:
    """The sessions of every suite, with what they cost together."""
    costs = []
    for _, group in groupby(found, lambda one: one.row.request.suite):
        sessions = [one.session for one in group]
        with engines.make(of.workers, of.device) as engine:
            sessions[0].engine = engine
            costs.append((sessions, budget.measured(sessions)))
    return costs


def _within(of: Experiment, found: Sequence[Prepared], seconds: float) -> list[Prepared]:
    """With the part of every suite that so many seconds of one device are enough for."""
    n = budget.within(_measured(of, found), seconds)
    return [replace(one, session=_limited(one.session, n)) for one in found]


def _limited(session: Session, n: int | None) -> Session:
    return replace(session, request=replace(session.request, limit=n)) if n else session


def _carried(of: Experiment, one: Prepared) -> Iterator[Done]:
    """A row, and its method on the suites that attacks find: for it, or for all methods."""
    scored = _run(of, one.session, one.scorers)
    yield Done(one.row, one.session, scored)
    for aim in one.attacks if scored else ():
        for path in attack.suites(one.session, aim):
            own = replace(one.row.request, suite=str(path), cases=(), limit=None)
            session = replace(one.session, request=own, spent={}, rooms={}, sound={})
            before.needed(session)
            scored = _run(of, session, before.chosen(session, one.row.scorers))
            yield Done(Row(own, one.row.scorers), session, scored)


def _told(of: Experiment, found: Iterator[Done]) -> Iterator[Done]:
    """The same rows, each told to the tracker that was asked for."""
    for done in found:
        if of.log and done.scored:
            from dumo_bench.api import track

            track.tell(of.log, done)
        yield done


def _run(of: Experiment, session: Session, scorers: Sequence[str]) -> bool:
    with engines.make(of.workers, of.device) as engine:
        session.engine = engine
        return steps.run(session, scorers)
