"""95 % intervals of means over prompts: a percentile bootstrap that resamples prompts, and Wilson's.

Draws of one prompt resemble one another, so whole prompts are resampled, not pictures. Cluster bootstrap: Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8. Wilson: JASA 22 (1927), 209.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]

LEVEL = 0.95
RESAMPLES = 1000
EQUAL = 1e-12  # numbers that differ by less differ by rounding
_ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
_WIDTH = 32  # sets that one product resamples, always: so no number depends on how many others there are
_BLOCK = 2**20  # clusters times resamples that are held at once as numbers
_KEPT = 2**25  # bytes of resamples that are kept for the next sets of as many clusters
_FEW = 2**12  # clusters of which the resamples of many numbers are kept


class Interval(NamedTuple):
    """Ends of an interval, or None where the data give none; `how` says what was done."""

    low: float | None
    high: float | None
    how: str


class Grouped(NamedTuple):
    """Values by cluster: the mean of them all, and of each cluster the sum and the count, (m,) each."""

    mean: float
    sums: Floats
    counts: Whole


def grouped(values: Floats, clusters: Whole) -> Grouped:
    """Values (n,), n >= 1, whose clusters (n,) are numbered from 0 without gaps."""
    sums = np.asarray(np.bincount(clusters, weights=values), dtype=np.float64)
    return Grouped(float(values.mean()), sums, short(np.bincount(clusters)))


def short(counts: Whole) -> Whole:
    """The same numbers (m,), one held for all where they are equal."""
    return np.broadcast_to(counts[0], counts.shape) if (counts == counts[0]).all() else counts


def of_mean(values: Floats, clusters: Whole, *, yes_no: bool) -> Interval:
    """The interval of the mean of values (n,), n >= 1, whose clusters (n,) are numbered from 0 without gaps.

    Where the means of all clusters are equal, or there is one, no resample varies: yes/no values (each 0 or 1) then get
    Wilson's interval of their mean, with each cluster counted as one trial, for more draws of a prompt may say nothing
    new; others get none.
    """
    return of_means([grouped(values, clusters)], [yes_no])[0]


def of_means(sets: Sequence[Grouped], yes_no: Sequence[bool]) -> list[Interval]:
    """The interval of the mean of each set, as in `of_mean`; sets of equally many clusters have the same resamples."""
    found = [_without_spread(one, rate) if _alike(one) else None for one, rate in zip(sets, yes_no, strict=True)]
    together: dict[int, list[int]] = {}
    for n, (one, interval) in enumerate(zip(sets, found, strict=True)):
        if interval is None:
            together.setdefault(len(one.counts), []).append(n)
    for m, members in together.items():
        ends = np.quantile(resamples([sets[n] for n in members]), _ENDS, axis=0)
        for n, low, high in zip(members, *ends.tolist(), strict=True):
            found[n] = Interval(low, high, f"mean; bootstrap over {m} prompts")
    return [one for one in found if one is not None]


def _alike(one: Grouped) -> bool:
    return not varies(one.sums / one.counts)


def _without_spread(one: Grouped, yes_no: bool) -> Interval:
    m = len(one.counts)
    alike = "one prompt" if m == 1 else "prompts all alike"
    if not yes_no:
        return Interval(None, None, f"mean; {alike}, no interval")
    return Interval(*wilson(one.mean * m, m), f"mean; Wilson over {m} prompts, {alike}")


def clustered(values: Floats, clusters: Whole, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap of the mean, resampling clusters: sums and counts are drawn together, then divided."""
    return percentile(resampled(values, clusters, seed))


def percentile(drawn: Floats) -> tuple[float, float]:
    """The percentile interval of what was drawn."""
    low, high = np.quantile(drawn, _ENDS)
    return float(low), float(high)


def flat(values: Floats, clusters: Whole) -> bool:
    """Whether the means of all clusters are equal, so that no resample of them varies."""
    return _alike(grouped(values, clusters))


def varies(x: Floats) -> bool:
    """Whether numbers differ by more than rounding."""
    return float(np.ptp(x)) > EQUAL


def of_function(f: Callable[..., Any], parts: Sequence[tuple[Floats, Whole]], *, yes_no: bool) -> Interval:
    """The interval of f(mean, mean, ...), each mean of its own values and clusters, as in `of_mean`.

    f takes arrays as it takes numbers. f of a single mean is monotonous: its interval is the mean's.
    """
    if len(parts) == 1:
        found = of_mean(*parts[0], yes_no=yes_no)
        if found.low is None or found.high is None:
            return found
        ends = f(found.low), f(found.high)
        return Interval(min(ends), max(ends), found.how)
    means = drawn(f, parts, yes_no=yes_no)
    if means is None or not varies(means):
        return Interval(None, None, "prompts all alike or one prompt, no interval")
    low, high = percentile(means)
    value = float(f(*(values.mean() for values, _ in parts)))
    known = "; Jeffreys' where prompts are all alike" if yes_no else ", one of them without spread"
    sizes = " and ".join(str(int(clusters.max()) + 1) for _, clusters in parts)
    how = f"bootstrap over {sizes} prompts{known if any(flat(*part) for part in parts) else ''}"
    return Interval(min(low, value), max(high, value), how)


def drawn(f: Callable[..., Any], parts: Sequence[tuple[Floats, Whole]], *, yes_no: bool) -> Floats | None:
    """f of the means of every resample, (RESAMPLES,); None where a part of other than yes/no values is of one prompt.

    The parts are of different prompts: each is resampled by itself, with draws of its own. A yes/no part that is flat
    cannot be resampled: its rate is drawn from Jeffreys' posterior, each prompt counted as one trial; of other values
    it is taken as known.
    """
    if not yes_no and any(clusters.max() == 0 for _, clusters in parts):
        return None
    found: Floats = f(
        *(
            posterior(float(values.mean()), int(clusters.max()) + 1, seed)
            if yes_no and flat(values, clusters)
            else resampled(values, clusters, seed)
            for seed, (values, clusters) in enumerate(parts)
        )
    )
    return found


@lru_cache(maxsize=256)
def posterior(rate: float, n: int, seed: int) -> Floats:
    """Draws of a rate of n trials from Jeffreys' posterior, Beta(successes + 1/2, failures + 1/2): (RESAMPLES,)."""
    return np.random.default_rng((seed, n)).beta(rate * n + 0.5, (1 - rate) * n + 0.5, size=RESAMPLES)


def wilson(successes: float, n: int) -> tuple[float, float]:
    """Wilson's score interval of a rate; successes need not be whole."""
    from scipy.special import ndtri

    z2 = float(ndtri((1 + LEVEL) / 2)) ** 2
    centre = (successes + z2 / 2) / (n + z2)
    half = math.sqrt(z2 * (successes * (n - successes) / n + z2 / 4)) / (n + z2)
    return max(0.0, centre - half), min(1.0, centre + half)


def resampled(values: Floats, clusters: Whole, seed: int) -> Floats:
    """The mean of every resample, (RESAMPLES,); the same resamples for the same number of clusters and seed."""
    one, each = grouped(values, clusters), len(values) / (int(clusters.max()) + 1)
    fixed = len(values) if (one.counts == each).all() else None  # clusters of one size: every resample is as large
    blocks = _times_drawn(len(one.counts), seed)
    return np.concatenate([(times @ one.sums) / (fixed or times @ one.counts) for _, times in blocks])


def resamples(sets: Sequence[Grouped], seed: int = 0) -> Floats:
    """The mean of every resample of sets of equally many clusters, (RESAMPLES, sets): memory is of one block alone."""
    m, k = len(sets[0].counts), len(sets)
    each = [float(one.counts[0]) if (one.counts == one.counts[0]).all() else 0.0 for one in sets]
    sums = _columns([one.sums for one in sets])
    counts = _columns([one.counts for one, alike in zip(sets, each, strict=True) if not alike])
    fixed = np.array(each) > 0
    means = np.empty((RESAMPLES, k))
    for rows, times in _times_drawn(m, seed):
        n = np.tile(m * np.array(each), (len(times), 1))
        n[:, ~fixed] = _product(times, counts)[:, : k - int(fixed.sum())]
        means[rows] = _product(times, sums)[:, :k] / n
    return means


def _columns(of: Sequence[NDArray[Any]]) -> list[Floats]:
    """Columns as matrices of _WIDTH each, filled up with 0."""
    found = []
    for start in range(0, len(of), _WIDTH):
        some = np.array(of[start : start + _WIDTH], dtype=float).T
        found.append(np.pad(some, ((0, 0), (0, _WIDTH - some.shape[1]))))
    return found


def _product(times: Floats, columns: Sequence[Floats]) -> Floats:
    return np.hstack([times @ some for some in columns]) if columns else np.empty((len(times), 0))


def _times_drawn(m: int, seed: int) -> Iterator[tuple[slice, Floats]]:
    """How often each of m clusters is drawn, (rows, m) of the RESAMPLES at a time, with which rows they are.

    A function of m and seed, whatever was computed before.
    """
    size = max(1, _BLOCK // m)
    read = _few if m <= _FEW else _many if RESAMPLES * m <= _KEPT else _drawn
    for start, times in zip(range(0, RESAMPLES, size), read(m, seed, size), strict=True):
        yield slice(start, start + size), times.astype(float)


def _drawn(m: int, seed: int, size: int) -> Iterable[NDArray[np.uint8]]:
    """Resamples, `size` at a time; that a cluster is drawn 256 times has a probability below 1e-300 for any m > 255."""
    random, share = np.random.default_rng((seed, m)), np.full(m, 1 / m)
    for start in range(0, RESAMPLES, size):
        yield random.multinomial(m, share, size=min(size, RESAMPLES - start)).astype(np.uint8)


@lru_cache(maxsize=32)
def _few(m: int, seed: int, size: int) -> list[NDArray[np.uint8]]:
    return list(_drawn(m, seed, size))


@lru_cache(maxsize=4)
def _many(m: int, seed: int, size: int) -> list[NDArray[np.uint8]]:
    return list(_drawn(m, seed, size))
