"""What a run costs, judged by three of its batches, and how much of it a given time is enough for. No torch."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.progress import log
from dumo_bench.run import jobs
from dumo_bench.run.tasks import Try
from dumo_bench.types import SETS, Job

if TYPE_CHECKING:
    from dumo_bench.run.plan import Plan
    from dumo_bench.run.session import Session

TRIED = 3  # batches
DISAGREE = (0.5, 0.2)  # shares of the pictures on which two methods may disagree, for what can be detected


class Cost(NamedTuple):
    """Of the pictures that are missing. seconds: of one batch; memory: bytes at the peak, where the system
    says it; tried: batches measured."""

    batches: int
    batch_size: int
    seconds: float
    memory: int | None
    tried: int

    @property
    def hours(self) -> float:
        """Of one device, fits and scores not included."""
        return self.batches * self.seconds / 3600


def measured(sessions: Sequence[Session]) -> Cost | None:
    """The cost of what sessions of one suite lack, from batches of the unedited model that are sampled and not kept;
    None where nothing is missing."""
    first, size = sessions[0], sessions[0].batch_size
    lacking = (one.store.missing(one.plan.wanted(one.request.shard)) for one in sessions)
    missing = jobs.unique(job for every in lacking for job in every)
    if not missing:
        return None
    recipe = first.plan.reference[0].recipe.key
    some = [tuple(batch) for one in jobs.of_recipes(missing).values() for batch in jobs.batches(one, size)]
    done = [one for _, one in first.engine.each(first, [Try(recipe, batch) for batch in some[:TRIED]], "probe")]
    known = [one.memory for one in done if one.memory is not None]
    peak = max(known, default=None)
    return Cost(len(some), size, median(one.seconds for one in done), peak, len(done))


def limit(costs: Sequence[tuple[Sequence[Session], Cost]], seconds: float) -> int:
    """The largest `--limit` at which what the sessions lack takes no longer than that, each with what a batch of its
    suite costs; UserError where one is too long."""
    groups = [(_ordered(sessions), cost) for sessions, cost in costs]
    there: list[defaultdict[str, set[str]]] = [defaultdict(set) for _ in groups]  # by recipe: a batch is of one
    most = max(len(keys) for ordered, _ in groups for keys in ordered)
    for n in range(most):
        for (ordered, _), keys in zip(groups, there, strict=True):
            for job in (one[n] for one in ordered if n < len(one)):
                if job:
                    keys[job.recipe.key].add(job.key)
        took = sum(
            math.ceil(len(some) / cost.batch_size) * cost.seconds
            for (_, cost), keys in zip(groups, there, strict=True)
            for some in keys.values()
        )
        if took > seconds:
            if n:
                return n
            n_all = sum(len(some) for keys in there for some in keys.values())
            raise UserError(
                f"--budget: {' and '.join(_batch(cost) for _, cost in costs)}, and one picture a case is {n_all} "
                "pictures: give more time, or choose one --case"
            )
    return most


def _batch(cost: Cost) -> str:
    return f"a batch of {cost.batch_size} takes {cost.seconds:.1f} s"


def _ordered(sessions: Sequence[Session]) -> list[list[Job | None]]:
    """Of every case its pictures, as `--limit` takes them; None of one that is there."""
    found: list[list[Job | None]] = []
    for session in sessions:
        plan = session.plan
        missing = {job.key for job in session.store.missing(plan.wanted())}
        for part in (*plan.reference, *plan.parts):
            fair = (row.job for row in jobs.fairly(part.rows))
            found.append([job if job.key in missing else None for job in fair])
    return found


def within(costs: Sequence[tuple[Sequence[Session], Cost | None]], seconds: float) -> int | None:
    """The `--limit` that so many seconds of one device are enough for, which it says; None where nothing is missing."""
    sessions = [one for group, _ in costs for one in group]
    if any(one.request.limit is not None or one.request.shard[1] > 1 for one in sessions):
        raise UserError("--budget chooses a --limit of its own, of the whole run: leave --limit and --shard out")
    known = [(group, cost) for group, cost in costs if cost is not None]
    if not known:
        return None
    n = limit(known, seconds)
    for group, _ in known:
        for line in said(group[0], n):
            log.info(line)
    return n


def said(session: Session, n: int) -> Iterator[str]:
    """What a part of n pictures a case is, and what it can detect."""
    from dumo_bench.metrics import power

    taken = max(len(jobs.fair(part.rows, n)) for part in session.plan.reference)
    name = session.plan.suite.name
    yield f"--budget: {taken} pictures a case of {name}, as --limit {n}; fits and scores not counted in"
    often, seldom = (f"{share:.0%}" for share in DISAGREE)
    yield (
        "differences of two rates that it tells, paired, with 80 % power at the 5 % level, where two methods disagree "
        f"on {often} of the pictures (on {seldom}):"
    )
    for role, count in pictures(session.plan, n).items():
        found = (power.detectable(count, share) for share in DISAGREE)
        one, other = ("none" if size is None else f"from {size:.2f}" for size in found)
        yield f"  {role}: {count} pictures: {one} ({other})"


def pictures(plan: Plan, limit: int) -> Mapping[str, int]:
    """How many pictures of a case, the smallest, a part of that size has in each set of roles."""
    found: dict[str, int] = {}
    for part in plan.reference:
        counted = Counter(row.role for row in jobs.fair(part.rows, limit))
        for name, roles in SETS.items():
            if n := sum(counted[role] for role in roles):
                found[name] = min(n, found.get(name, n))
    return found
