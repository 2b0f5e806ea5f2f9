"""The kernel distance against a known answer, its properties, and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.image.kid import poly_mmd

from dumo_bench.metrics.kernel import kernel_distance, paired_kernel_distance, subset_spread


def normal(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def test_two_points_against_two_points_by_hand():
    x, y = np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]])
    assert kernel_distance(x, y) == pytest.approx(8 + 1 - 2)


def test_splits_of_one_distribution_are_at_distance_nought_on_average():
    values = [kernel_distance(normal(40, seed=i), normal(40, seed=1000 + i)) for i in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0  # unbiased, so it must be


def test_the_average_does_not_depend_on_the_sizes_of_the_sets():
    few = [kernel_distance(normal(10, seed=i), normal(25, seed=1000 + i) + 0.5) for i in range(300)]
    many = [kernel_distance(normal(80, seed=i), normal(60, seed=1000 + i) + 0.5) for i in range(300)]
    error = np.hypot(np.std(few), np.std(many)) / np.sqrt(300)
    assert abs(np.mean(few) - np.mean(many)) < 3 * error


@given(seed=st.integers(0, 999), n=st.integers(2, 30))
def test_it_equals_torchmetrics_on_sets_of_one_size(seed, n):
    x, y = normal(n, seed=seed), normal(n, seed=seed + 5000) * 1.5 + 0.2
    reference = poly_mmd(torch.tensor(x), torch.tensor(y))
    assert kernel_distance(x, y) == pytest.approx(float(reference), rel=1e-9, abs=1e-9)


@given(seed=st.integers(0, 999))
def test_the_order_of_features_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    x, y = normal(9, seed=seed), normal(7, seed=seed + 1)
    assert kernel_distance(rng.permutation(x), rng.permutation(y)) == pytest.approx(kernel_distance(x, y), abs=1e-9)


def test_subsets_are_drawn_by_their_own_seed_and_leave_numpys_generator_alone():
    x, y = normal(30), normal(40, seed=1) + 1
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    assert subset_spread(x, y, 10, seed=3) == subset_spread(x, y, 10, seed=3)
    assert subset_spread(x, y, 10, seed=3) != subset_spread(x, y, 10, seed=4)
    assert (np.random.get_state()[1] == before).all()
    mean, sd = subset_spread(x, y, 10, subsets=100)
    assert abs(mean - kernel_distance(x, y)) < 5 * sd / 10


@pytest.mark.parametrize("size", [1, 31])
def test_subsets_larger_than_a_set_or_smaller_than_two_are_refused(size):
    with pytest.raises(ValueError, match="got 20 of"):
        subset_spread(normal(30), normal(40), size)


def pairs(n: int, seed: int, shift: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """n dependent pairs, as pictures of one prompt and noise are."""
    x = normal(n, seed=seed)
    return x, 0.9 * x + 0.3 * normal(n, seed=seed + 100_000) + shift


@given(seed=st.integers(0, 999), n=st.integers(2, 12))
def test_that_of_pairs_is_the_mean_over_pairs_of_pairs(seed, n):
    x, y = pairs(n, seed)

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    h = [k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]) for i in range(n) for j in range(n) if i != j]
    assert paired_kernel_distance(x, y) == pytest.approx(sum(h) / len(h), rel=1e-9, abs=1e-9)
    assert paired_kernel_distance(x, x) == pytest.approx(0, abs=1e-12)


def test_of_dependent_pairs_it_is_right_on_average_at_any_size_and_the_other_is_too_small():
    far, of = pairs(20_000, 7)[0], normal(20_000, seed=8)
    truth = kernel_distance(far, 0.9 * of + 0.3 * normal(20_000, seed=9) + 0.3)  # of pictures of other prompts
    for n in (6, 40):
        both = [(paired_kernel_distance(*pair), kernel_distance(*pair)) for pair in (pairs(n, i) for i in range(400))]
        right, other = np.mean(both, axis=0)
        error = 3 * np.std([one for one, _ in both]) / 20 + 0.01
        assert abs(right - truth) < error
        assert other < truth - error, n


def test_subsets_of_pairs_are_of_pairs():
    x, _ = pairs(30, 1)
    assert subset_spread(x, x, 10, paired=True) == pytest.approx((0, 0), abs=1e-12)


def test_sets_of_two_sizes_are_no_pairs():
    with pytest.raises(ValueError, match=r"both be \(n, d\)"):
        paired_kernel_distance(normal(4), normal(5))
