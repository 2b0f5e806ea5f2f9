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


def subset_spread(x: Floats, y: Floats, size: int, *, subsets: int = 20, seed: int = 0) -> tuple[float, float]:
    """Mean and standard deviation of the kernel distance over random subsets of `size` features from each set.

    Subsets are drawn without replacement by a generator of their own, so equal arguments give equal numbers.
    """
    if not 2 <= size <= min(len(x), len(y)) or subsets < 2:
        raise ValueError(f"at least 2 subsets of 2 to {min(len(x), len(y))} features, got {subsets} of {size}")
    rng = np.random.default_rng(seed)
    pairs = ((rng.choice(x, size, replace=False), rng.choice(y, size, replace=False)) for _ in range(subsets))
    values = np.array([kernel_distance(a, b) for a, b in pairs])
    return float(values.mean()), float(values.std(ddof=1))


def _kernel(x: Floats, y: Floats) -> NDArray[np.float64]:
    values: NDArray[np.float64] = (x.astype(np.float64) @ y.astype(np.float64).T / x.shape[1] + 1) ** 3
    return values


def _within(k: NDArray[np.float64]) -> float:
    """The mean of k (n, n) off its diagonal."""
    n = len(k)
    return float((k.sum() - np.trace(k)) / (n * (n - 1)))
