"""Methods compared where they have erased equally much, from tables alone: what does each keep there?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from dumo_bench.analysis import sweeps
from dumo_bench.analysis.catalogue import Known
from dumo_bench.analysis.differences import LEVEL
from dumo_bench.analysis.sweeps import Folders, Pair, Sweep
from dumo_bench.errors import UserError, unknown
from dumo_bench.metrics import curves, paired
from dumo_bench.metrics.curves import Values

LEVELS = (0.05, 0.10, 0.25, 0.50)  # of the target left, where nothing else is asked for
ROLES = ("related", "unrelated")


class Curve(NamedTuple):
    """A method on a case. by: the setting that is swept, "" where it is not one number; settings and left: each in
    words and what it leaves; least, most: what the monotone curve leaves at its ends."""

    method: str
    by: str
    settings: tuple[str, ...]
    left: tuple[float, ...]
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Reading:
    """What a and b measure where `level` of the target is left; without a level: the least that either leaves.

    q is p after Benjamini and Hochberg over the `family` readings of a comparison. n: pictures.
    """

    metric: str
    role: str
    higher: bool
    level: float | None
    a: float
    b: float
    low: float | None
    high: float | None
    p: float
    n: int
    q: float = 1.0
    family: int = 0

    @property
    def difference(self) -> float:
        return self.a - self.b

    @property
    def better(self) -> str:
        """Which of the two is significantly better, "a" or "b"; "" where neither is."""
        return "" if self.q >= LEVEL else "a" if self.higher == (self.difference > 0) else "b"


@dataclass(frozen=True, slots=True)
class Contrast:
    """Two curves of a case. erasure: the metric that says what is left; reach: the least that either leaves; kept: what
    they keep at every level that both reach."""

    suite: str
    suite_version: int
    case: str
    erasure: str
    a: Curve
    b: Curve
    reach: Reading
    kept: tuple[Reading, ...]

    @property
    def both(self) -> tuple[float, float]:
        """What of the target both can leave: from, to; nothing where the first is the larger."""
        return max(self.a.least, self.b.least), min(self.a.most, self.b.most)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is compared. case, metric: patterns. erasure: the metric that says what is left; "": the first one that
    measures what is erased, else what is present. levels: of the target left; (): those of LEVELS that both reach, or
    the middle of what both reach."""

    case: str = "*"
    metric: str = "*"
    erasure: str = ""
    levels: tuple[float, ...] = ()


def contrasts(given: Folders, methods: Sequence[str], asked: Asked) -> list[Contrast]:
    """Every two methods on every case of which both have several settings."""
    every = [sweeps.of(spec, given) for spec in methods]
    found = [pair for a, b in combinations(every, 2) for pair in sweeps.together(a, b, asked.case)]
    if not found:
        raise UserError(
            f"{' and '.join(methods)} share no case {asked.case!r} of which each has two settings or more: run them "
            "with several, as with dumo-bench run --method METHOD --set KEY=VALUE"
        )
    return _corrected([_contrast(pair, given, asked) for pair in found])


def _contrast(pair: Pair, given: Folders, asked: Asked) -> Contrast:
    erasure = _erasure(pair, given, asked.erasure)
    left = pair.values("target", erasure.metric.name)
    if left is None:
        raise UserError(
            f"{pair.key[0]}, {pair.key[2]}: {erasure.metric.name} was measured on no target picture under all settings "
            f"of {pair.a.method} and {pair.b.method}: run them with the same --limit"
        )
    found = _Case(pair, given, erasure, left)
    a, b = found.spans()
    contrast = Contrast(*pair.key, erasure.metric.name, a, b, found.reach(), ())
    low, high = contrast.both
    levels = [one for one in asked.levels or LEVELS if low <= one <= high] if low <= high else []
    levels = levels or ([] if asked.levels or low > high else [(low + high) / 2])
    return replace(contrast, kept=tuple(found.kept(levels, asked.metric))) if levels else contrast


@dataclass(frozen=True)
class _Case:
    """Two methods on a case, and what they leave: the values of `erasure` on targets."""

    pair: Pair
    given: Folders
    erasure: Known
    values: tuple[Values, Values]

    @property
    def _sweeps(self) -> tuple[Sweep, Sweep]:
        return self.pair.a, self.pair.b

    def _orders(self, kept: tuple[Values, Values], *, rises: bool = True) -> list[tuple[int, ...]]:
        every = zip(self._sweeps, self.values, kept, strict=True)
        return [tuple(sweep.order(left.means, of.means, rises=rises)) for sweep, left, of in every]

    @cached_property
    def _lines(self) -> dict[tuple[int, tuple[int, ...]], curves.Line]:
        return {}

    def _left(self, side: int, order: tuple[int, ...]) -> curves.Line:
        """What a side leaves, with its settings in an order; resampled once."""
        if (side, order) not in self._lines:
            values = self.values[side].ordered(order)
            self._lines[side, order] = curves.left(values, rate=_rate(self.erasure))
        return self._lines[side, order]

    def spans(self) -> Iterator[Curve]:
        for side, order in enumerate(self._orders(self.values)):
            sweep, means = self._sweeps[side], self.values[side].means
            by = sweep.strengths[0] if sweep.strengths else ""
            names, seen = [sweep.names[n] for n in order], self._left(side, order).seen
            told = tuple(names), tuple(float(means[n]) for n in order)
            yield Curve(sweep.method, by, *told, float(seen[0]), float(seen[-1]))

    def reach(self) -> Reading:
        a, b = (self._left(side, order) for side, order in enumerate(self._orders(self.values)))
        own = self.values[0]
        told = curves.attainable(curves.least(a, b), own.prompts)
        return Reading(self.erasure.metric.name, "target", False, None, *told, n=len(own.clusters))

    def kept(self, levels: Sequence[float], pattern: str) -> Iterator[Reading]:
        """What both keep at some levels, of every metric that has a direction on related or unrelated prompts."""
        for role in ROLES:
            for known in map(self.given.metrics.named, self.pair.metrics(role)):
                way = known.metric.way(role, self.given.erases.get(self.pair.key, ""))
                counts = not known.metric.copy_of and not known.metric.part_of and way != "neither"
                if counts and known.metric.measures != "erased" and fnmatchcase(known.metric.name, pattern):
                    yield from self._read(known, role, way == "higher", levels)

    def _read(self, known: Known, role: str, higher: bool, levels: Sequence[float]) -> Iterator[Reading]:
        measured = self.pair.values(role, known.metric.name)
        if measured is None:
            return
        a, b = (
            curves.Curve(self._left(side, order), curves.kept(of.ordered(order), rate=_rate(known), rises=higher))
            for side, (order, of) in enumerate(zip(self._orders(measured, rises=higher), measured, strict=True))
        )
        prompts = min(self.values[0].prompts, measured[0].prompts)
        for level, one in zip(levels, curves.differences(a, b, levels), strict=True):
            told = curves.attainable(one, prompts)
            yield Reading(known.metric.name, role, higher, level, *told, n=len(measured[0].clusters))


def _rate(known: Known) -> bool:
    return known.metric.kind == "rate"


def _erasure(pair: Pair, given: Folders, asked: str) -> Known:
    """The metric that says what is left of the target."""
    there = pair.metrics("target")
    if asked and asked not in there:
        raise unknown("metrics of the target pictures", asked, there)
    known = [given.metrics.named(name) for name in ([asked] if asked else there)]
    for measures in ("erased", "present", *(("", "asked", "fit", "distance") if asked else ())):
        if found := [one for one in known if one.metric.measures == measures and one.metric.kind in _KINDS]:
            return sorted(found, key=lambda one: _KINDS.index(one.metric.kind))[0]
    raise UserError(
        f"{pair.key[0]}, {pair.key[2]}: no metric says how much of the target is left; name one with --erasure: "
        f"{', '.join(there)}"
    )


_KINDS = ("rate", "mean", "count")


def _corrected(found: Sequence[Contrast]) -> list[Contrast]:
    """With q, over all readings."""
    every = [one for contrast in found for one in (contrast.reach, *contrast.kept)]
    q = iter(paired.discoveries([one.p for one in every]))

    def told(one: Reading) -> Reading:
        return replace(one, q=next(q), family=len(every))

    return [replace(contrast, reach=told(contrast.reach), kept=tuple(map(told, contrast.kept))) for contrast in found]
