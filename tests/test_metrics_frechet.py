"""The Frechet distance against known answers, its properties, and two independent libraries."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg

from dumo_bench.metrics.frechet import frechet_distance


def whitened(n: int, d: int, seed: int = 0) -> np.ndarray:
    """(n, d) with mean 0 and covariance the identity, exactly."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    q, _ = np.linalg.qr(x - x.mean(0))
    return q * np.sqrt(n - 1)


@pytest.mark.parametrize(("n", "d"), [(50, 4), (5, 16), (2, 3)])
def test_a_set_is_at_distance_nought_from_itself(n, d):
    x = np.random.default_rng(0).standard_normal((n, d))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_scaled_and_shifted_whitened_features_give_the_formula():
    x, scale, shift = whitened(60, 5), np.array([1.0, 2, 3, 0.5, 1]), np.array([1.0, 0, 0, -2, 0])
    expected = (shift**2).sum() + ((scale - 1) ** 2).sum()
    assert frechet_distance(x, x * scale + shift) == pytest.approx(expected, rel=1e-10)


@given(seed=st.integers(0, 999), n=st.integers(2, 20), m=st.integers(2, 20), d=st.integers(1, 12))
def test_it_is_symmetric_not_negative_and_blind_to_rotation(seed, n, m, d):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d)) + 1
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    there = frechet_distance(x, y)
    assert there >= -1e-9
    assert frechet_distance(y, x) == pytest.approx(there, abs=1e-8)
    assert frechet_distance(x @ turn, y @ turn) == pytest.approx(there, abs=1e-8)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(0), np.cov(x, rowvar=False)


def test_it_equals_scipys_matrix_root_and_torchmetrics():
    from torchmetrics.image.fid import _compute_fid

    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((80, 6)) @ rng.standard_normal((6, 6)), rng.standard_normal((70, 6)) + 0.3
    (mu, c), (nu, k) = moments(x), moments(y)
    by_scipy = ((mu - nu) ** 2).sum() + np.trace(c + k - 2 * linalg.sqrtm(c @ k).real)
    assert frechet_distance(x, y) == pytest.approx(by_scipy, rel=1e-9)
    by_torchmetrics = _compute_fid(*(torch.tensor(part) for part in (mu, c, nu, k)))
    assert frechet_distance(x, y) == pytest.approx(float(by_torchmetrics), rel=1e-9)


def test_fewer_pictures_than_dimensions_still_equal_torchmetrics():
    from torchmetrics.image.fid import _compute_fid

    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((10, 40)), rng.standard_normal((12, 40)) + 0.3
    (mu, c), (nu, k) = moments(x), moments(y)
    reference = _compute_fid(*(torch.tensor(part) for part in (mu, c, nu, k)))
    assert frechet_distance(x, y) == pytest.approx(float(reference), rel=1e-5)


@pytest.mark.parametrize("shape", [(1, 3), (4, 2), (3,)])
def test_sets_that_do_not_fit_are_refused_with_their_shapes(shape):
    with pytest.raises(ValueError, match="got"):
        frechet_distance(np.ones((5, 3)), np.ones(shape))
