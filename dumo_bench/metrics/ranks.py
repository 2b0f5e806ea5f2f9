"""Do two lists rank things alike? Spearman's rho, its interval and its exact test.

Spearman, American Journal of Psychology 15 (1904), 72. Interval: Fisher's z with the standard error of Bonett and
Wright, Psychometrika 65 (2000), 23, https://doi.org/10.1007/BF02294183. Test: all orders of the second list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEAST = 3  # of two things the rank correlation is 1 or -1 whatever they are
_EXACT = 8  # 8! orders are looked at one by one; of more things 20,000 are drawn
_DRAWN = 20_000
_Z = 1.959963984540054


class Correlation(NamedTuple):
    """rho, the ends of its 95 % interval and the two-sided p of no correlation; n things.

    rho is None of fewer than three things or where all are tied; an interval needs four, and rho inside -1 and 1.
    """

    n: int
    rho: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None


def spearman(first: Sequence[float], second: Sequence[float]) -> Correlation:
    """Whether two lists (n,) of the same things go together; ties share their mean rank."""
    from scipy.stats import rankdata

    n, a, b = len(first), rankdata(first), rankdata(second)
    if n < LEAST or np.ptp(a) == 0 or np.ptp(b) == 0:
        return Correlation(n, None)
    rho = float(np.corrcoef(a, b)[0, 1])
    return Correlation(n, rho, *_interval(rho, n), _p(a, b, abs(rho)))


def _interval(rho: float, n: int) -> tuple[float | None, float | None]:
    if n <= LEAST or abs(rho) > 1 - 1e-9:
        return None, None
    z, half = math.atanh(rho), _Z * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return math.tanh(z - half), math.tanh(z + half)


def _p(a: NDArray[np.float64], b: NDArray[np.float64], observed: float) -> float:
    """The share of orders of b whose correlation with a is as far from 0."""
    g = np.random.default_rng(0)
    n = len(b)
    orders = permutations(range(n)) if n <= _EXACT else (g.permutation(n) for _ in range(_DRAWN))
    every = b[np.array(list(orders))]
    a, every = a - a.mean(), every - b.mean()
    found = np.abs(every @ a) / math.sqrt(float(a @ a) * float(every[0] @ every[0]))
    more = int((found >= observed - 1e-9).sum())
    return more / len(every) if n <= _EXACT else (more + 1) / (len(every) + 1)
