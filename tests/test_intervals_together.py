"""Intervals of many sets at once are those of each alone, and those of the plain definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumo_bench.metrics import intervals


def plain(values, clusters, seed=0):
    """The definition, in one matrix: every resample of the clusters, their sums over their counts."""
    sums, counts = np.bincount(clusters, weights=values), np.bincount(clusters)
    m = len(counts)
    times = np.random.default_rng((seed, m)).multinomial(m, np.full(m, 1 / m), size=intervals.RESAMPLES)
    return (times @ sums) / (times @ counts)


def drawn(seed: int, m: int, most: int, rate: bool):
    random = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(m), random.integers(1, most + 1, m))
    return random.integers(0, 2, len(clusters)).astype(float) if rate else random.normal(size=len(clusters)), clusters


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from([1, 2, 7, 40]), st.integers(1, 3), st.booleans()),
                min_size=1, max_size=70))  # fmt: skip
def test_many_sets_at_once_have_to_the_last_digit_the_intervals_of_each_alone(what):
    sets = [drawn(*one) for one in what]
    rates = [rate for *_, rate in what]
    together = intervals.of_means([intervals.grouped(*one) for one in sets], rates)
    assert together == [intervals.of_mean(*one, yes_no=rate) for one, rate in zip(sets, rates, strict=True)]
    shuffled = intervals.of_means([intervals.grouped(*one) for one in reversed(sets)], rates[::-1])
    assert shuffled[::-1] == together


@pytest.mark.parametrize(
    ("m", "block", "kept"), [(3, 2**20, 2**25), (300, 2**12, 2**25), (300, 100, 1), (5000, 2**20, 1)]
)
@pytest.mark.parametrize("most", [1, 3])
def test_resamples_are_those_of_the_definition_in_blocks_of_any_size_kept_or_not(m, block, kept, most, monkeypatch):
    """Of yes and no to the last digit, for sums are whole; of other values to the order in which they are added."""
    monkeypatch.setattr(intervals, "_BLOCK", block)
    monkeypatch.setattr(intervals, "_KEPT", kept)
    for rate in (True, False):
        values, clusters = drawn(m, m, most, rate)
        theirs = plain(values, clusters, 1)
        many = intervals.resamples([intervals.grouped(values, clusters)] * 2, 1)
        for ours in (intervals.resampled(values, clusters, 1), *many.T):
            assert (ours == theirs).all() if rate else ours == pytest.approx(theirs, rel=1e-12, abs=1e-14)
