"""The Frechet distance between two sets of features (Heusel et al., NeurIPS 2017, https://arxiv.org/abs/1706.08500)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def frechet_distance(x: Floats, y: Floats) -> float:
    """|mu_x - mu_y|^2 + tr(C_x + C_y - 2 (C_x^1/2 C_y C_x^1/2)^1/2) of the Gaussians fitted to x and y.

    x: (n, d), y: (m, d), n and m at least 2; covariances are divided by n - 1. Computed in float64. With C_x = A'A
    and C_y = B'B the last trace is the sum of the singular values of AB', so no root of a matrix is taken: the usual
    one fails for fewer pictures than dimensions, where a covariance is singular. Biased upwards for small sets.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"x and y must be (n, d) and (m, d) with n, m >= 2, got {x.shape} and {y.shape}")
    a, b = _factor(x), _factor(y)
    shift = x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)
    common = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(shift @ shift + (a * a).sum() + (b * b).sum() - 2 * common)


def _factor(x: Floats) -> NDArray[np.float64]:
    """A (min(n, d), d) with A'A = the covariance of x (n, d)."""
    centred = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    factor: NDArray[np.float64] = np.linalg.qr(centred, mode="r") / np.sqrt(len(x) - 1)
    return factor
