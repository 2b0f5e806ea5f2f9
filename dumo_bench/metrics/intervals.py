"""95 % intervals of means over prompts: a percentile bootstrap that resamples prompts, and Wilson's.

Draws of one prompt resemble one another, so whole prompts are resampled, not pictures. Cluster bootstrap: Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8. Wilson: JASA 22 (1927), 209.
"""

from __future__ import annotations

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
    sums, counts = np.bincount(clusters, weights=values), np.bincount(clusters)
    times = _times_drawn(len(counts), seed)
    means = (times @ sums) / (times @ counts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@lru_cache(maxsize=4096)  # scipy takes a millisecond
def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a rate."""
    from scipy.stats import binomtest

    found = binomtest(successes, n).proportion_ci(confidence_level=LEVEL, method="wilson")
    return float(found.low), float(found.high)


@lru_cache(maxsize=16)
def _times_drawn(m: int, seed: int) -> Floats:
    """How often each of m clusters is drawn, (RESAMPLES, m); a function of m and seed, whatever was computed before."""
    times: Floats = np.random.default_rng((seed, m)).multinomial(m, np.full(m, 1 / m), size=RESAMPLES).astype(float)
    return times
