"""Spread of features: known answers, and distances written out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from dumo_bench.metrics.frechet import frechet_distance
from dumo_bench.metrics.kernel import kernel_distance
from dumo_bench.metrics.spread import mean_pairwise_distance, nearest_distances


def test_equal_directions_are_not_spread_and_opposite_ones_are_two_apart():
    assert mean_pairwise_distance(np.array([[1.0, 2], [2, 4], [3, 6]])) == pytest.approx(0, abs=1e-12)
    assert mean_pairwise_distance(np.array([[1.0, 0], [-3, 0]])) == pytest.approx(2)
    assert mean_pairwise_distance(np.eye(5)) == pytest.approx(1)


def test_the_nearest_real_feature_is_the_one_that_counts():
    real = np.array([[1.0, 0], [0, 1]])
    assert nearest_distances(np.array([[0.0, 5], [1, 1], [-1, 0]]), real) == pytest.approx([0, 1 - 0.5**0.5, 1])


def test_pairs_are_averaged_as_by_two_loops():
    x = np.random.default_rng(0).standard_normal((7, 3))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    by_hand = [1 - unit[i] @ unit[j] for i in range(7) for j in range(i)]
    assert mean_pairwise_distance(x) == pytest.approx(np.mean(by_hand))


def test_one_feature_has_no_pairs_and_is_refused():
    with pytest.raises(ValueError, match="n >= 2"):
        mean_pairwise_distance(np.ones((1, 3)))
    with pytest.raises(ValueError, match="m >= 1"):
        nearest_distances(np.ones((2, 3)), np.ones((0, 3)))


@pytest.mark.parametrize(
    "number",
    [frechet_distance, kernel_distance, lambda x, y: mean_pairwise_distance(x)],
    ids=["fid", "kid", "diversity"],
)
def test_a_bootstrap_over_pictures_misses_the_number_of_a_whole_set(number):
    """Why docs/tables.md says that these numbers have no interval."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 32)), rng.normal(0.2, 1, size=(64, 32))
    drawn = [number(x[rng.integers(0, 64, 64)], y) for _ in range(200)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert not low <= number(x, y) <= high
