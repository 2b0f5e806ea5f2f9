"""How many pictures a paired comparison needs, and what its spread is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dumo_bench.metrics.intervals import LEVEL, Floats, Grouped, Whole, grouped

POWER = 0.8
FEWEST = 6  # prompts: with five the smallest two-sided p of a permutation test is 2 / 2^5, above 0.05
_BLOCK = 16  # sizes of which the power is summed at once
_EXACT = 512  # pictures up to which the power of the exact test is summed; beyond, the normal approximation is close


def standard_error(values: Floats, clusters: Whole) -> float | None:
    """The standard error of the mean of values (n,) whose clusters (n,), numbered from 0, are drawn together.

    The linearised ratio of sums to counts: Cochran, Sampling Techniques, 1977, section 6.3. None for one cluster.
    """
    return _error(grouped(values, clusters)) if len(values) else None


def _error(values: Grouped) -> float | None:
    mean, sums, counts = values
    m = len(counts)
    if m < 2:
        return None
    rest = sums - counts * mean
    return float(np.sqrt((rest**2).sum() / (m * (m - 1))) / counts.mean())


def pictures_needed(differences: Floats, clusters: Whole) -> int | None:
    """How many pictures, of prompts like these, make a mean difference of this size significant with 80 % power."""
    return needed_like(grouped(differences, clusters))


def needed_like(differences: Grouped) -> int | None:
    """`pictures_needed` of differences by prompt."""
    n, prompts = int(differences.counts.sum()), len(differences.counts)
    return _at_least(FEWEST * n / prompts, needed(differences.mean, _error(differences), n))


def numbers_needed(difference: float, error: float | None, sizes: Sequence[tuple[int, int]]) -> int | None:
    """The same of a number made of several means: `sizes` are the pictures and the prompts of each, with a standard
    error of all."""
    n = sum(pictures for pictures, _ in sizes)
    return _at_least(FEWEST * n / min(prompts for _, prompts in sizes), needed(difference, error, n))


def _at_least(least: float, found: int | None) -> int | None:
    return None if found is None else max(found, math.ceil(least))


@lru_cache(maxsize=4096)
def yes_no_needed(won: int, lost: int, n: int) -> int | None:
    """How many pictures, one a prompt, McNemar's exact test needs for 80 % power, at the rates of n pictures.

    The smallest number that has it, by the power of the exact test itself. None where `won` equals `lost`.
    """
    differ, share = (won + lost) / n, won / max(1, won + lost)
    mean = differ * (2 * share - 1)
    about = needed(mean, math.sqrt(max(differ - mean**2, 1e-12) / n), n)
    if about is None or about > _EXACT:
        return about
    sizes = range(max(FEWEST, about // 2), 4 * about + 4 * FEWEST)
    rejected = _rejected(sizes[-1], share)
    blocks = (sizes[start : start + _BLOCK] for start in range(0, len(sizes), _BLOCK))
    every = (one for some in blocks for one in zip(some, _powers(some, differ, rejected), strict=True))
    return next(size for size, power in every if power >= POWER)


def yes_no_power(n: int, differ: float, share: float) -> float:
    """The power of McNemar's exact test at 0.05: of n pairs a part `differ` differs, a `share` of which is won."""
    return _powers([n], differ, _rejected(n, share))[0]


def _powers(sizes: Sequence[int], differ: float, rejected: Floats) -> list[float]:
    """The power at each of some sizes, in rising order."""
    from scipy.special import bdtr

    n = np.array(sizes)[:, None]
    chances = np.diff(bdtr(np.minimum(np.arange(sizes[-1] + 1), n), n, differ), axis=1, prepend=0)
    return [float(of[: n + 1] @ rejected[: n + 1]) for n, of in zip(sizes, chances, strict=True)]


def _rejected(n: int, share: float) -> Floats:
    """(n + 1,): the chance that the test is significant where 0 to n pairs differ, a `share` of which is won."""
    from scipy.special import bdtr, bdtrc

    d, last = np.arange(n + 1), np.array([_last_rejected(pairs) for pairs in range(n + 1)])
    k = np.maximum(last, 0)
    found: Floats = np.where(last >= 0, bdtr(k, d, share) + bdtrc(d - k - 1, d, share), 0.0)
    return found


@lru_cache(maxsize=4096)
def _last_rejected(pairs: int) -> int:
    """The most of so many that may be won, or lost, where the test is significant; -1: none is few enough."""
    from scipy.special import bdtr

    return int((bdtr(np.arange(pairs // 2 + 1), pairs, 0.5) <= (1 - LEVEL) / 2).sum()) - 1


def needed(difference: float, error: float | None, n: int, power: float = POWER) -> int | None:
    """How many pictures make a difference significant that n of them showed with this standard error.

    n (z_{1-alpha/2} + z_power)^2 (error / difference)^2 at alpha = 0.05. None where the difference is 0 (no number
    would do) or its spread is not known. It takes the difference seen for the true one, so it is a guide to the next
    experiment and says nothing about this one.
    """
    if not error or not difference:
        return None
    return math.ceil(n * (_reach(power) * error / difference) ** 2)


def detectable(n: int, disagree: float, power: float = POWER) -> float | None:
    """The least difference between two rates that a paired test of n independent pictures finds at alpha = 0.05.

    disagree: the share of pictures on which the two differ, D. A picture's difference is -1, 0 or 1, with mean d and
    variance D - d^2, so d = (z_{1-alpha/2} + z_power) sqrt((D - d^2) / n), solved for d. None where that is over D: no
    difference that large can be.
    """
    reach = _reach(power)
    found = reach * math.sqrt(disagree / (n + reach**2))
    return found if found <= disagree else None


@lru_cache
def _reach(power: float) -> float:
    """z_{1-alpha/2} + z_power at alpha = 0.05: how many standard errors a difference has to be away from 0."""
    from scipy.special import ndtri

    return float(ndtri((1 + LEVEL) / 2) + ndtri(power))


class Spread(NamedTuple):
    """Standard deviations: of a fit's mean from one training seed to another, and of it from generation seeds alone.

    fit: what another training seed would move the mean of these pictures by. generation: what other generation seeds
    of the same prompts would move it by; None where no prompt has two draws. rest: of a single picture, what neither
    explains.
    """

    fit: float
    generation: float | None
    rest: float


def spread(values: Floats, prompts: Whole) -> Spread:
    """The variance of values (fits, pictures) split by the method of moments; prompts (pictures,) from 0.

    Fits are crossed with pictures, pictures (draws) nested in prompts, prompts fixed: a two-way analysis of variance
    without replication (Searle, Casella and McCulloch, Variance Components, 1992, chapter 4). At least 2 fits and 2
    pictures. An estimate below 0 is 0.
    """
    fits, n = values.shape
    if fits < 2 or n < 2:
        raise ValueError(f"values must be (fits, pictures) with two of each at least, got {values.shape}")
    of_fit, of_picture = values.mean(1, keepdims=True), values.mean(0)
    residual = float(((values - of_fit - of_picture + values.mean()) ** 2).sum() / ((fits - 1) * (n - 1)))
    between = n * float(of_fit.var(ddof=1))
    fit = math.sqrt(max(0.0, between - residual) / n)
    return Spread(fit, _generation(of_picture, prompts, residual / fits), math.sqrt(residual))


def _generation(of_picture: Floats, prompts: Whole, noise: float) -> float | None:
    counts = np.bincount(prompts)
    free = len(of_picture) - len(counts)
    if free < 1:
        return None
    centre = np.bincount(prompts, weights=of_picture) / counts
    within = float(((of_picture - centre[prompts]) ** 2).sum() / free)
    return math.sqrt(max(0.0, within - noise) / len(of_picture))
