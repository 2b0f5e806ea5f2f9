"""95 % intervals of means over prompts: a percentile bootstrap that resamples prompts, and Wilson's.

Draws of one prompt resemble one another, so whole prompts are resampled, not pictures. Cluster bootstrap: Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8. Wilson: JASA 22 (1927), 209.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]

LEVEL = 0.95
RESAMPLES = 1000


class Interval(NamedTuple):
    """Ends of an interval, or None where the data give none; `how` says what was done."""

    low: float | None
    high: float | None
    how: str


def of_mean(values: Floats, clusters: Whole, *, yes_no: bool) -> Interval:
    """The interval of the mean of values (n,), n >= 1, whose clusters (n,) are numbered from 0 without gaps.

    Where all values are equal a bootstrap sees no spread: yes/no values (each 0 or 1) then get Wilson's interval, with
    each cluster counted as one trial, and others none.
    """
    m = int(clusters.max()) + 1
    if values.min() == values.max():
        if not yes_no:
            return Interval(None, None, "mean; all values equal, no interval")
        return Interval(*wilson(int(values[0]) * m, m), f"mean; Wilson over {m} prompts, all values equal")
    if m == 1:
        return Interval(None, None, "mean; one prompt, no interval")
    low, high = clustered(values, clusters)
    return Interval(low, high, f"mean; bootstrap over {m} prompts")


def clustered(values: Floats, clusters: Whole, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap of the mean, resampling clusters: sums and counts are drawn together, then divided."""
    return percentile(resampled(values, clusters, seed))


def percentile(drawn: Floats) -> tuple[float, float]:
    """The percentile interval of what was drawn."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def of_function(f: Callable[..., float], parts: Sequence[tuple[Floats, Whole]], *, yes_no: bool) -> Interval:
    """The interval of f(mean, mean, ...), each mean of its own values and clusters, as in `of_mean`.

    The parts are of different prompts: each is resampled by itself, with draws of its own. A yes/no part whose values
    are all equal cannot be resampled: its rate is drawn from Jeffreys' posterior, each prompt counted as one trial; of
    other values it is taken as known. f of a single mean is monotonous: its interval is the mean's.
    """
    if len(parts) == 1:
        found = of_mean(*parts[0], yes_no=yes_no)
        if found.low is None or found.high is None:
            return found
        ends = f(found.low), f(found.high)
        return Interval(min(ends), max(ends), found.how)
    sizes = [int(clusters.max()) + 1 for _, clusters in parts]
    flat = [values.min() == values.max() for values, _ in parts]
    lone = any(m == 1 and not (yes_no and same) for m, same in zip(sizes, flat, strict=True))
    if lone or (all(flat) and not yes_no):
        return Interval(None, None, "all values equal or one prompt, no interval")
    means = [
        posterior(int(values[0]) * m, m, seed) if same and yes_no else resampled(values, clusters, seed)
        for seed, ((values, clusters), m, same) in enumerate(zip(parts, sizes, flat, strict=True))
    ]
    low, high = percentile(np.array([f(*map(float, one)) for one in zip(*means, strict=True)], dtype=np.float64))
    value = f(*(float(values.mean()) for values, _ in parts))
    known = ("; Jeffreys' where all are equal" if yes_no else ", one of them without spread") if any(flat) else ""
    return Interval(min(low, value), max(high, value), f"bootstrap over {' and '.join(map(str, sizes))} prompts{known}")


@lru_cache(maxsize=256)
def posterior(successes: int, n: int, seed: int) -> Floats:
    """Draws of a rate from Jeffreys' posterior, Beta(successes + 1/2, failures + 1/2): (RESAMPLES,)."""
    return np.random.default_rng((seed, n)).beta(successes + 0.5, n - successes + 0.5, size=RESAMPLES)


@lru_cache(maxsize=4096)  # scipy takes a millisecond
def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a rate."""
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(confidence_level=LEVEL, method="wilson")
    return float(found.low), float(found.high)


def resampled(values: Floats, clusters: Whole, seed: int) -> Floats:
    """The mean of every resample, (RESAMPLES,); the same resamples for the same number of clusters and seed."""
    sums, counts = np.bincount(clusters, weights=values), np.bincount(clusters)
    times = _times_drawn(len(counts), seed)
    means: Floats = (times @ sums) / (times @ counts)
    return means


@lru_cache(maxsize=16)
def _times_drawn(m: int, seed: int) -> Floats:
    """How often each of m clusters is drawn, (RESAMPLES, m); a function of m and seed, whatever was computed before."""
    times: Floats = np.random.default_rng((seed, m)).multinomial(m, np.full(m, 1 / m), size=RESAMPLES).astype(float)
    return times
