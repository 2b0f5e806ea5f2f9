"""What a run costs, judged by three of its batches, and how much of it a given time is enough for. No torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.progress import log
from dumo_bench.run import jobs
from dumo_bench.run.tasks import Try
from dumo_bench.types import SETS

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


def measured(session: Session) -> Cost | None:
    """The cost, from batches of the unedited model that are sampled and not kept; None where nothing is missing."""
    missing, size = session.store.missing(session.plan.wanted(session.request.shard)), session.batch_size
    if not missing:
        return None
    recipe = session.plan.reference[0].recipe.key
    some = [tuple(batch) for batch in jobs.batches(missing, size)]
    done = [one for _, one in session.engine.each(session, [Try(recipe, batch) for batch in some[:TRIED]], "probe")]
    known = [one.memory for one in done if one.memory is not None]
    peak = max(known, default=None)
    return Cost(len(some), size, median(one.seconds for one in done), peak, len(done))


def limit(session: Session, cost: Cost, seconds: float) -> int:
    """The largest `--limit` whose missing pictures take no longer than that; UserError where one is too long."""
    most = math.floor(seconds / cost.seconds) * cost.batch_size
    plan, missing = session.plan, {job.key for job in session.store.missing(session.plan.wanted())}
    ordered = [jobs.fairly(part.rows) for part in (*plan.reference, *plan.parts)]
    there: set[str] = set()
    for n in range(max(map(len, ordered))):
        there |= {rows[n].job.key for rows in ordered if n < len(rows)} & missing
        if len(there) > most:
            if n:
                return n
            raise UserError(
                f"--budget: a batch of {cost.batch_size} takes {cost.seconds:.1f} s, and one picture a case is "
                f"{len(there)} pictures: give more time, or choose one --case"
            )
    return max(map(len, ordered))


def within(session: Session, cost: Cost | None, seconds: float) -> Session:
    """The request with the part of it that so many seconds of one device are enough for; says what that part is."""
    if session.request.limit is not None or session.request.shard[1] > 1:
        raise UserError("--budget chooses a --limit of its own, of the whole run: leave --limit and --shard out")
    if cost is None:
        return session
    n = limit(session, cost, seconds)
    for line in said(session, cost, n):
        log.info(line)
    return replace(session, request=replace(session.request, limit=n))


def said(session: Session, cost: Cost, n: int) -> Iterator[str]:
    """What a part of n pictures a case is, and what it can detect."""
    from dumo_bench.metrics import power

    yield f"--budget: {n} pictures a case, as --limit {n}; fits and scores are not counted in"
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
