"""Tests of paired values: two methods, the same prompts and noise.

McNemar's exact test for yes/no (McNemar, Psychometrika 12 (1947), 153), a test by random signs for the rest (Fisher,
The Design of Experiments, 1935, section 21), Benjamini-Hochberg over many (J. R. Statist. Soc. B 57 (1995), 289).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from dumo_bench.metrics import intervals
from dumo_bench.metrics.intervals import Floats, Interval, Whole

RESAMPLES = 9999


class Paired(NamedTuple):
    """The mean of a - b with its interval and p; `won` and `lost` pictures are those where a is above and below b."""

    difference: float
    interval: Interval
    p: float
    how: str
    won: int
    lost: int


def compare(a: Floats, b: Floats, clusters: Whole) -> Paired:
    """a against b, both (n,) with n at least 1; clusters (n,) number the prompts from 0 without gaps.

    Yes/no values of one picture a prompt get McNemar's test. Draws of one prompt resemble one another, so where
    prompts have several pictures the signs of whole prompts are drawn; on yes/no values of one picture a prompt that
    test is McNemar's.
    """
    d = a - b
    yes_no = bool(np.isin(a, (0, 1)).all() and np.isin(b, (0, 1)).all())
    won, lost = int((d > 0).sum()), int((d < 0).sum())
    alone = len(d) == int(clusters.max()) + 1
    p, how = (mcnemar(won, lost), "McNemar, exact") if yes_no and alone else (signs(d, clusters), "signs of prompts")
    return Paired(float(d.mean()), intervals.of_mean(d, clusters, yes_no=False), p, how, won, lost)


class Resampled(NamedTuple):
    """A difference of two numbers: its interval, p and standard error; None where no resample differs."""

    low: float | None
    high: float | None
    p: float
    error: float


def of_numbers(f: Callable[..., float], parts: Sequence[tuple[Floats, Floats, Whole]]) -> Resampled:
    """f(means of a) - f(means of b), for parts (a, b, clusters) of different prompts: pairs are resampled together.

    p is twice the share of resamples on the rarer side of 0, itself one of them: the interval turned round.
    """
    drawn = _resampled(f, [(a, which) for a, _, which in parts]) - _resampled(f, [(b, which) for _, b, which in parts])
    if not drawn.any():
        return Resampled(None, None, 1.0, 0.0)
    low, high = intervals.percentile(drawn)
    rarer = min((drawn <= 0).sum(), (drawn >= 0).sum())
    p = min(1.0, 2 * (int(rarer) + 1) / (len(drawn) + 1))
    return Resampled(low, high, p, float(drawn.std(ddof=1)))


def _resampled(f: Callable[..., float], parts: Sequence[tuple[Floats, Whole]]) -> Floats:
    means = [intervals.resampled(values, clusters, seed).tolist() for seed, (values, clusters) in enumerate(parts)]
    return np.array([f(*one) for one in zip(*means, strict=True)], dtype=np.float64)


@lru_cache(maxsize=4096)
def mcnemar(won: int, lost: int) -> float:
    """The exact two-sided p that pictures which differ differ either way equally often; 1 where none differs."""
    from scipy.stats import binomtest

    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def signs(d: Floats, clusters: Whole, seed: int = 0) -> float:
    """The two-sided p that the sums of d over clusters are as likely above 0 as below: exact for up to 13 of them."""
    from scipy.stats import permutation_test

    sums = np.bincount(clusters, weights=d)
    sums = sums[sums != 0]  # neither sign changes these
    if len(sums) < 2:
        return 1.0  # both signs are equally far from 0
    found = permutation_test(
        (sums,),
        lambda x, axis: x.sum(axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    )
    return float(min(found.pvalue, 1.0))


def discoveries(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p: of those called differences below 0.05, one in twenty is expected wrong."""
    from scipy.stats import false_discovery_control

    return [float(q) for q in false_discovery_control(np.array(p))] if len(p) else []
