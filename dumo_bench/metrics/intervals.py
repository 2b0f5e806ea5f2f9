"""95 % intervals of means over prompts: a percentile bootstrap that resamples prompts, and Wilson's.

Draws of one prompt resemble one another, so whole prompts are resampled, not pictures. Cluster bootstrap: Davison and
Hinkley, Bootstrap Methods and their Application, 1997, section 3.8. Wilson: JASA 22 (1927), 209.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Whole: TypeAlias = NDArray[np.int64]

LEVEL = 0.95
RESAMPLES = 1000
EQUAL = 1e-12  # numbers that differ by less differ by rounding


class Interval(NamedTuple):
    """Ends of an interval, or None where the data give none; `how` says what was done."""

    low: float | None
    high: float | None
    how: str


def of_mean(values: Floats, clusters: Whole, *, yes_no: bool) -> Interval:
    """The interval of the mean of values (n,), n >= 1, whose clusters (n,) are numbered from 0 without gaps.

    Where the means of all clusters are equal, or there is one, no resample varies: yes/no values (each 0 or 1) then get
    Wilson's interval of their mean, with each cluster counted as one trial, for more draws of a prompt may say nothing
    new; others get none.
    """
    m = int(clusters.max()) + 1
    if flat(values, clusters):
        alike = "one prompt" if m == 1 else "prompts all alike"
        if not yes_no:
            return Interval(None, None, f"mean; {alike}, no interval")
        return Interval(*wilson(float(values.mean()) * m, m), f"mean; Wilson over {m} prompts, {alike}")
    low, high = clustered(values, clusters)
    return Interval(low, high, f"mean; bootstrap over {m} prompts")


def clustered(values: Floats, clusters: Whole, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap of the mean, resampling clusters: sums and counts are drawn together, then divided."""
    return percentile(resampled(values, clusters, seed))


def percentile(drawn: Floats) -> tuple[float, float]:
    """The percentile interval of what was drawn."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def flat(values: Floats, clusters: Whole) -> bool:
    """Whether the means of all clusters are equal, so that no resample of them varies."""
    return not varies(np.bincount(clusters, weights=values) / np.bincount(clusters))


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
    sums, counts = np.bincount(clusters, weights=values), np.bincount(clusters)
    times = _times_drawn(len(counts), seed)
    means: Floats = (times @ sums) / (times @ counts)
    return means


@lru_cache(maxsize=16)
def _times_drawn(m: int, seed: int) -> Floats:
    """How often each of m clusters is drawn, (RESAMPLES, m); a function of m and seed, whatever was computed before."""
    times: Floats = np.random.default_rng((seed, m)).multinomial(m, np.full(m, 1 / m), size=RESAMPLES).astype(float)
    return times
