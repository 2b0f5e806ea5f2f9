"""What two methods keep where they have erased equally much: each one's settings are a curve, and both are resampled.

A curve is what is kept against what is left of the target, over the settings of one method, in their order. Each
coordinate is made monotone, the nearest such sequence in least squares (Robertson, Wright and Dykstra, Order Restricted
Statistical Inference, 1988, chapter 1), and settings are joined by straight lines. Prompts are resampled, the same ones
of both methods, and the curves made anew of every resample, so an interval holds the uncertainty of both coordinates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from dumo_bench.metrics import intervals
from dumo_bench.metrics.intervals import EQUAL, Floats, Whole

TIMES = 10  # thousands of resamples: p is at least 1 / 5000


class Values(NamedTuple):
    """The values of a method's settings on the same pictures, (settings, n), the setting that erases most first, whose
    clusters (n,) number the prompts from 0 without gaps."""

    values: Floats
    clusters: Whole

    @property
    def means(self) -> Floats:
        return np.asarray(self.values.mean(axis=1))

    @property
    def prompts(self) -> int:
        return int(self.clusters.max()) + 1 if len(self.clusters) else 0

    def ordered(self, settings: Sequence[int]) -> Values:
        """With the settings in another order."""
        return Values(self.values[list(settings)], self.clusters)


class Line(NamedTuple):
    """One coordinate of a curve, monotone over the settings: as it is seen, (settings,), and of every resample,
    (resamples, settings)."""

    seen: Floats
    drawn: Floats


class Curve(NamedTuple):
    """What is left of the target, and what is measured on kept prompts."""

    left: Line
    kept: Line


class Difference(NamedTuple):
    """a - b with its 95 % interval and two-sided p; no interval where no resample differs."""

    a: float
    b: float
    low: float | None
    high: float | None
    p: float


def left(values: Values, *, rate: bool) -> Line:
    """What is left on targets: it grows from setting to setting. rate: the values are yes and no."""
    return _line(values, 0, rate, 1.0)


def kept(values: Values, *, rate: bool, rises: bool = True) -> Line:
    """What is measured on kept prompts; it falls from setting to setting where less of it is better."""
    return _line(values, 1, rate, 1.0 if rises else -1.0)


def differences(a: Curve, b: Curve, levels: Sequence[float]) -> list[Difference]:
    """What is kept by a and by b at each level of what is left. Both are of the same pictures."""
    return [_difference(*(_read(of, level) for of in (a, b))) for level in levels]


def least(a: Line, b: Line) -> Difference:
    """The least that is left on two curves of the same pictures."""
    return _difference((float(a.seen[0]), a.drawn[:, 0]), (float(b.seen[0]), b.drawn[:, 0]))


def attainable(found: Difference, prompts: int) -> Difference:
    """With a p no smaller than an exact test of signs can give of so many prompts, 2 / 2^n: of few, resamples are too
    sure."""
    return found._replace(p=max(found.p, 2.0 ** (1 - prompts)))


def monotone(x: Floats) -> Floats:
    """The nondecreasing sequence nearest to x (..., settings) in least squares, by the max-min formula."""
    n = x.shape[-1]
    sums = np.concatenate([np.zeros_like(x[..., :1]), np.cumsum(x, axis=-1)], axis=-1)
    found = np.empty_like(x)
    for i in range(n):
        starts = range(i + 1)  # and ends of the blocks that hold the i-th
        means = [(sums[..., i + 1 :] - sums[..., j, None]) / np.arange(i + 1 - j, n + 1 - j) for j in starts]
        found[..., i] = np.max([of.min(axis=-1) for of in means], axis=0)
    return found


def at(left: Floats, kept: Floats, level: float) -> Floats:
    """kept (...,) where `level` is left; both (..., settings), left nondecreasing. Beyond its ends a curve is level; of
    several settings that leave the same the last, which is the weakest, counts."""
    last = left.shape[-1] - 2
    below = np.clip((left <= level).sum(axis=-1) - 1, 0, last)[..., None]
    x0, x1, y0, y1 = (np.take_along_axis(of, below + k, -1)[..., 0] for of in (left, kept) for k in (0, 1))
    wide = x1 > x0
    share = np.where(wide, (level - x0) / np.where(wide, x1 - x0, 1.0), 1.0)
    return np.asarray(y0 + np.clip(share, 0, 1) * (y1 - y0))


def _read(of: Curve, level: float) -> tuple[float, Floats]:
    return float(at(of.left.seen, of.kept.seen, level)), at(of.left.drawn, of.kept.drawn, level)


def _line(of: Values, part: int, rate: bool, way: float) -> Line:
    """Targets and kept prompts, the two parts, have resamples of their own. Yes/no values without spread are drawn from
    their posterior, as everywhere."""
    drawn = np.concatenate(list(_rounds(of, part, rate)))
    return Line(way * monotone(way * of.means), way * monotone(way * drawn))


def _rounds(of: Values, part: int, rate: bool) -> Iterator[Floats]:
    every = [intervals.grouped(one, of.clusters) for one in of.values]
    flat = [n for n, one in enumerate(every) if rate and not intervals.varies(one.sums / one.counts)]
    for n in range(TIMES):
        seed = 2 * n + part
        means = intervals.resamples(every, seed)
        for column in flat:
            means[:, column] = intervals.posterior(every[column].mean, len(every[column].counts), seed)
        yield means


def _difference(a: tuple[float, Floats], b: tuple[float, Floats]) -> Difference:
    seen, drawn = a[0] - b[0], a[1] - b[1]
    if not intervals.varies(drawn):
        return Difference(a[0], b[0], None, None, 1.0)
    drawn = np.where(np.abs(drawn) < EQUAL, 0.0, drawn)
    low, high = intervals.percentile(drawn)
    rarer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Difference(a[0], b[0], min(low, seen), max(high, seen), min(1.0, 2 * (1 + rarer) / (1 + len(drawn))))
