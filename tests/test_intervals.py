"""Known answers of intervals where prompts have unequally many pictures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from dumo_bench.metrics import intervals


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_rate_that_prompts_of_unequally_many_pictures_share_has_wilsons_interval_over_prompts(rate):
    values, clusters = np.full(3, rate), np.array([0, 1, 1])
    found = intervals.of_mean(values, clusters, yes_no=True)
    wanted = binomtest(int(2 * rate), 2).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)
    assert found.high - found.low > 0.6 and "2 prompts, prompts all alike" in found.how


def test_prompts_of_unequal_rates_are_not_taken_for_alike_because_their_sums_are_equal():
    """One picture of rate 1, and two of which one is: both sums are 1."""
    found = intervals.of_mean(np.array([1.0, 1.0, 0.0]), np.array([0, 1, 1]), yes_no=True)
    assert found.how == "mean; bootstrap over 2 prompts"
