"""The exact tests and their corrections, beside scipy.stats, which takes a second to import and so is not used."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, binomtest, false_discovery_control

from dumo_bench.metrics import paired, power

TAIL = 0.025


def test_mcnemar_is_the_exact_binomial_test():
    for won in range(30):
        for lost in range(30):
            wanted = binomtest(won, won + lost).pvalue if won + lost else 1.0
            assert paired.mcnemar(won, lost) == pytest.approx(wanted, rel=1e-12)
    assert paired.mcnemar(400, 500) == pytest.approx(binomtest(400, 900).pvalue, rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 50])
def test_discoveries_are_benjamini_and_hochberg_s(n):
    p = np.random.default_rng(n).random(n) ** 3
    p[-1] = p[0]
    assert paired.discoveries(list(p)) == pytest.approx(false_discovery_control(p), rel=1e-12)


def test_nothing_is_discovered_among_no_tests():
    assert paired.discoveries([]) == []


@pytest.mark.parametrize("share", [0.0, 0.5, 0.7, 1.0])
def test_the_power_of_the_exact_test_is_the_sum_over_its_outcomes(share):
    n, differ = 40, 0.6
    rejected = [
        sum(binom.pmf(k, d, share) for k in range(d + 1) if d and binomtest(k, d).pvalue <= 2 * TAIL)
        for d in range(n + 1)
    ]
    wanted = sum(binom.pmf(d, n, differ) * rejected[d] for d in range(n + 1))
    assert power.yes_no_power(n, differ, share) == pytest.approx(wanted, abs=1e-12)
