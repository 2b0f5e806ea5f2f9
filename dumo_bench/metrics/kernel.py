"""The kernel distance between two sets of features (Binkowski et al., ICLR 2018, https://arxiv.org/abs/1801.01401)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def kernel_distance(x: Floats, y: Floats) -> float:
    """The unbiased squared MMD under the kernel (x.y/d + 1)^3, of whole sets; it can be a little below 0.

    x: (n, d), y: (m, d), n and m at least 2. Computed in float64; nothing is drawn.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"x and y must be (n, d) and (m, d) with n, m >= 2, got {x.shape} and {y.shape}")
    return float(_within(_kernel(x, x)) + _within(_kernel(y, y)) - 2 * _kernel(x, y).mean())


def paired_kernel_distance(x: Floats, y: Floats) -> float:
    """The same of pairs (x_i, y_i), each (n, d): the mean over i != j of k(x_i, x_j) + k(y_i, y_j) - 2 k(x_i, y_j).

    Two pictures of one prompt and noise are dependent, and k(x_i, y_i) is then larger than k of strangers: with it,
    the estimate above is off by -2/n (E k(x_i, y_i) - E k(x_i, y_j)). Without it, this is unbiased, since different
    pairs are independent, and exactly 0 for x = y. It is the U-statistic of Gretton et al., JMLR 2012, Eq. 4.
    """
    if x.shape != y.shape or x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x and y must both be (n, d) with n >= 2, got {x.shape} and {y.shape}")
    return float(_within(_kernel(x, x)) + _within(_kernel(y, y)) - 2 * _within(_kernel(x, y)))


def subset_spread(
    x: Floats, y: Floats, size: int, *, subsets: int = 20, seed: int = 0, paired: bool = False
) -> tuple[float, float]:
    """Mean and standard deviation of the kernel distance over random subsets of `size` features from each set.

    Subsets are drawn without replacement by a generator of their own, so equal arguments give equal numbers; of pairs,
    a subset is of pairs.
    """
    if not 2 <= size <= min(len(x), len(y)) or subsets < 2:
        raise ValueError(f"at least 2 subsets of 2 to {min(len(x), len(y))} features, got {subsets} of {size}")
    rng = np.random.default_rng(seed)

    def drawn() -> float:
        if paired:
            rows = rng.choice(len(x), size, replace=False)
            return paired_kernel_distance(x[rows], y[rows])
        return kernel_distance(rng.choice(x, size, replace=False), rng.choice(y, size, replace=False))

    values = np.array([drawn() for _ in range(subsets)])
    return float(values.mean()), float(values.std(ddof=1))


def _kernel(x: Floats, y: Floats) -> NDArray[np.float64]:
    values: NDArray[np.float64] = (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3
    return values


def _within(k: NDArray[np.float64]) -> float:
    """The mean of k (n, n) off its diagonal."""
    n = len(k)
    return float((k.sum() - np.trace(k)) / (n * (n - 1)))
