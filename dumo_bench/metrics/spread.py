"""How spread out a set of features is, and how far it lies from real ones. Cosine distances, 0 to 2."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def mean_pairwise_distance(x: Floats) -> float:
    """The mean cosine distance of all pairs of rows of x (n, d), n at least 2; 0 when all rows point one way."""
    from scipy.spatial.distance import pdist

    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"x must be (n, d) with n >= 2, got {x.shape}")
    return float(pdist(x.astype(np.float64), "cosine").mean())


def nearest_distances(x: Floats, real: Floats) -> NDArray[np.float64]:
    """(n,): the cosine distance of each row of x (n, d) to the nearest row of real (m, d), m at least 1."""
    from scipy.spatial.distance import cdist

    if x.ndim != 2 or real.ndim != 2 or x.shape[1] != real.shape[1] or not len(real):
        raise ValueError(f"x and real must be (n, d) and (m, d) with m >= 1, got {x.shape} and {real.shape}")
    nearest: NDArray[np.float64] = cdist(x.astype(np.float64), real.astype(np.float64), "cosine").min(1)
    return nearest
