"""Paired tests, the pictures a comparison needs, and the spread over seeds: against statsmodels and simulations."""

from __future__ import annotations

from itertools import product

import compared
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multinomial, wilcoxon
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.power import NormalIndPower

from dumo_bench.metrics import derived, intervals, paired, permutations, power

RNG = np.random.default_rng


def each(n: int) -> intervals.Whole:
    """Every picture a prompt of its own."""
    return np.arange(n)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_agrees_with_statsmodels(won, lost, same):
    a = np.repeat([1.0, 0.0, 1.0], [won, lost, same + 1])
    b = np.repeat([0.0, 1.0, 1.0], [won, lost, same + 1])
    found = paired.compare(a, b, each(len(a)))
    assert compared.mcnemar_of(won, lost, same) == (found.p, pytest.approx(found.p))
    assert (found.won, found.lost, found.how) == (won, lost, "McNemar, exact")


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 6))
def test_on_yes_no_values_of_one_picture_a_prompt_random_signs_are_mcnemars_test(won, lost):
    d = np.repeat([1.0, -1.0, 0.0], [won, lost, 3])
    assert paired.signs(d, each(len(d))) == pytest.approx(paired.mcnemar(won, lost))


def test_random_signs_are_exact_for_few_prompts():
    assert paired.signs(np.array([1.0, 2.0, 4.0]), each(3)) == pytest.approx(2 / 8)  # no other signs reach 7 or -7
    assert paired.signs(np.array([1.0, -2.0, 4.0]), each(3)) == pytest.approx(6 / 8)  # |sum| at least 3: all but +-1


def test_on_ranks_random_signs_are_wilcoxons_test():
    d = np.array([1.0, -2, 3, 4, 5, -6, 7, 8, 9])
    assert paired.signs(d, each(9)) == pytest.approx(wilcoxon(d, method="exact").pvalue)


def test_draws_that_are_all_alike_add_no_evidence():
    a, b = RNG(0).integers(0, 2, (2, 8)).astype(float)
    once = paired.signs(a - b, each(8))
    assert paired.signs(np.repeat(a - b, 5), np.repeat(each(8), 5)) == pytest.approx(once)


def test_several_pictures_a_prompt_are_not_tested_as_if_they_were_prompts():
    a, b = np.ones(40), np.zeros(40)
    assert paired.compare(a, b, np.repeat(each(4), 10)).p == pytest.approx(2 / 2**4)
    assert paired.compare(a, b, each(40)).p < 1e-9


def test_a_method_compared_with_itself_differs_by_exactly_0_with_p_1():
    a = RNG(0).random(20)
    found = paired.compare(a, a, each(20))
    assert (found.difference, found.p, found.won, found.lost, found.interval.low) == (0, 1, 0, 0, None)


@pytest.mark.parametrize("draws", [1, 3])
def test_where_nothing_differs_five_in_a_hundred_tests_say_otherwise(draws):
    rng, wrong = RNG(1), 0
    which = np.repeat(each(25), draws)
    for _ in range(300):
        rate = rng.beta(1, 1, 25)[which]  # draws of a prompt share its rate
        a, b = (rng.random(25 * draws) < rate).astype(float), (rng.random(25 * draws) < rate).astype(float)
        wrong += paired.compare(a, b, which).p < 0.05
    assert wrong / 300 < 0.08


def moved(rng: np.random.Generator, targets: int, kept: int, by: float = 0.0) -> list[tuple]:
    """LPIPS of two erasers on targets and on kept prompts; targets of the first move further by `by`."""
    n, of_prompt = targets + kept, rng.normal(0.3, 0.1, targets + kept)
    a, b = of_prompt + rng.normal(0, 0.05, (2, n))
    a[:targets] += by
    parts = (slice(targets), slice(targets, n))
    return [(a[part], b[part], each(n)[part]) for part in parts]


@pytest.mark.parametrize(("targets", "kept"), [(2, 9), (3, 9), (8, 20)])
def test_where_erasers_are_alike_five_in_a_hundred_tests_of_numbers_of_several_means_say_otherwise(targets, kept):
    rng = RNG(targets)
    p = [paired.of_numbers(derived.da, moved(rng, targets, kept), rates=False).p for _ in range(300)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.08


def test_where_erasers_are_alike_five_in_a_hundred_tests_of_harmonic_means_say_otherwise():
    rng, p = RNG(3), []
    for _ in range(300):
        rates = [rng.beta(1, 3, 4)[np.repeat(each(4), 3)], rng.beta(9, 1, 8)]  # three draws a target prompt share one
        seen = [[(rng.random(len(rate)) < rate).astype(float) for rate in rates] for _ in range(2)]
        prompts = (np.repeat(each(4), 3), 4 + each(8))
        p.append(paired.of_numbers(derived.h_c, list(zip(*seen, prompts, strict=True)), rates=True).p)
    assert np.mean(np.array(p) < 0.05) < 0.08


def test_numbers_of_several_means_that_do_differ_are_told_by_a_p_that_reaches_below_a_thousandth():
    rng = RNG(0)
    found = [paired.of_numbers(derived.da, moved(rng, 20, 40, by=0.1), rates=False) for _ in range(40)]
    assert np.mean([one.p < 0.05 for one in found]) > 0.9 and min(one.p for one in found) < 0.001
    assert np.mean([one.low <= 0.1 <= one.high for one in found]) > 0.85


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(*[st.integers(0, 1)] * 2), min_size=6, max_size=9))
def test_a_and_b_of_every_prompt_change_places_in_all_parts_at_once_in_every_way(values):
    a, b = np.array(values, dtype=float).T
    n = len(a)
    cut = [slice(2), slice(2, n - 2), slice(n - 2, n)]  # named targets, kept prompts, targets in other words

    def difference(change: tuple[int, ...]) -> float:
        sides = np.where(change, b, a), np.where(change, a, b)
        ours, theirs = (derived.h_o(*(float(side[part].mean()) for part in cut)) for side in sides)
        return abs(ours - theirs)

    every = [difference(change) for change in product((0, 1), repeat=n)]
    wanted = np.mean([one >= every[0] - 1e-9 for one in every])
    found = paired.exchange(derived.h_o, [(a[part], b[part], each(n)[part]) for part in cut])
    assert found == pytest.approx(wanted)


def test_a_difference_of_means_is_tested_as_the_sum_it_is():
    (a, b, first), (c, d, second) = moved(RNG(1), 5, 7)
    signed = np.concatenate([(a - b) / 5, (d - c) / 7])
    p = paired.of_numbers(derived.da, [(a, b, first), (c, d, second)], rates=False).p
    assert p == pytest.approx(paired.signs(signed, each(12)))


def test_a_prompt_of_two_parts_changes_places_in_both():
    a, b = RNG(0).random((2, 6))
    twice = paired.exchange(derived.da, [(a, b, each(6)), (2 * a, 2 * b, each(6))])
    assert twice == pytest.approx(paired.signs(a - b, each(6)))


def test_one_target_prompt_tells_nothing_however_far_apart_two_erasers_are_on_it():
    one, kept = (np.zeros(1), np.ones(1), each(1)), (np.ones(3), np.ones(3), 1 + each(3))
    found = paired.of_numbers(derived.h_c, [one, kept], rates=True)
    assert found.p == 1 and found.low < 0.2 and found.high == 1  # the difference itself is inside
    assert paired.of_numbers(derived.da, [one, kept], rates=False) == (None, None, 1, None)


def test_equal_sides_have_p_1_and_no_interval():
    same = [(RNG(0).random(n),) * 2 for n in (5, 30)]
    parts = [(*same[0], each(5)), (*same[1], 5 + each(30))]
    assert paired.of_numbers(derived.da, parts, rates=False) == (None, None, 1, None)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_agrees_with_statsmodels(p):
    ours, theirs = compared.discoveries_of(p)
    assert ours == pytest.approx(theirs)


def test_no_tests_are_no_discoveries():
    assert paired.discoveries([]) == []


def test_the_interval_of_a_function_of_means_is_scipy_like_for_independent_parts():
    rng = RNG(4)
    x, y = rng.normal(1, 1, 80), rng.normal(0.5, 1, 60)
    found = intervals.of_function(lambda a, b: a - b, [(x, each(80)), (y, each(60))], yes_no=False)
    error = np.sqrt(x.var(ddof=1) / 80 + y.var(ddof=1) / 60)
    assert found.low == pytest.approx(x.mean() - y.mean() - 1.96 * error, abs=0.06)
    assert found.high == pytest.approx(x.mean() - y.mean() + 1.96 * error, abs=0.06)


def test_parts_of_equally_many_prompts_are_resampled_apart():
    x = RNG(5).normal(size=50)
    same = intervals.of_function(lambda a, b: a - b, [(x, each(50)), (x, each(50))], yes_no=False)
    assert same.high - same.low > 0.3  # drawn together the difference would be 0 every time


def test_the_interval_of_a_rates_complement_is_the_rates_turned_round():
    part = (np.zeros(10), each(10))
    found = intervals.of_function(lambda x: 1 - x, [part], yes_no=True)
    assert (found.low, found.high) == pytest.approx((1 - 0.2775, 1), abs=1e-4)


def test_a_rate_of_which_nothing_was_seen_is_not_taken_as_known():
    """0 of 8 shown says less than 0: the harmonic mean's interval is that of a rate which may be a quarter."""
    none, most = np.zeros(8), np.array([1.0] * 27 + [0.0])
    found = intervals.of_function(derived.h_c, [(none, each(8)), (most, each(28))], yes_no=True)
    gone = scipy.stats.beta(0.5, 8.5).ppf(0.975)
    assert found.low == pytest.approx(derived.h_c(gone, 27 / 28), abs=0.02) and found.low < 0.9
    both = intervals.of_function(derived.h_c, [(none, each(8)), (np.ones(28), each(28))], yes_no=True)
    assert 0.8 < both.low < 0.95 and both.high == 1.0  # the estimate itself is inside
    assert intervals.of_function(derived.h_c, [(none, each(8)), (np.ones(28), each(28))], yes_no=False).low is None


def test_the_standard_error_is_the_textbooks_for_one_picture_a_prompt():
    x = RNG(0).normal(size=30)
    assert power.standard_error(x, each(30)) == pytest.approx(x.std(ddof=1) / np.sqrt(30))
    assert power.standard_error(x, np.zeros(30, dtype=int)) is None


def test_the_pictures_needed_agree_with_statsmodels():
    x = RNG(0).normal(0.2, 1, 50)
    effect = x.mean() / x.std(ddof=1)
    theirs = NormalIndPower(ddof=0).solve_power(abs(effect), power=0.8, alpha=0.05, ratio=0)
    assert power.pictures_needed(x, each(50)) == pytest.approx(theirs, rel=0.01, abs=1)


def test_with_as_many_pictures_as_needed_four_in_five_repetitions_find_the_difference():
    rng = RNG(7)
    base = rng.normal(0.3, 1, 200)
    n = power.pictures_needed(base, each(200))
    found = [abs(x.mean()) > 1.96 * x.std(ddof=1) / np.sqrt(n) for x in rng.choice(base, (400, n))]
    assert 0.72 < np.mean(found) < 0.88


def test_no_number_of_pictures_tells_a_difference_of_0_or_one_without_spread():
    assert power.pictures_needed(np.array([1.0, -1.0]), each(2)) is None
    assert power.pictures_needed(np.ones(5), each(5)) is None
    assert power.pictures_needed(np.array([1.0, 0.0]), np.zeros(2, dtype=int)) is None


def test_alike_draws_do_not_lower_the_number_of_prompts_needed():
    x = RNG(0).normal(0.2, 1, 50)
    once, five = power.pictures_needed(x, each(50)), power.pictures_needed(np.repeat(x, 5), np.repeat(each(50), 5))
    assert five == pytest.approx(5 * once, abs=5)


def simulated(fit: float, draw: float, rest: float, seed: int) -> tuple[intervals.Floats, intervals.Whole]:
    rng, prompts = RNG(seed), np.repeat(each(30), 4)
    of_prompt, of_fit = rng.normal(0, 1, 30)[prompts], rng.normal(0, fit, (40, 1))
    return of_prompt + of_fit + rng.normal(0, draw, 120) + rng.normal(0, rest, (40, 120)), prompts


def test_the_spread_of_simulated_seeds_is_found_again():
    found = power.spread(*simulated(0.5, 0.8, 0.3, 0))
    assert found.fit == pytest.approx(0.5, rel=0.25)
    assert found.generation == pytest.approx(0.8 / np.sqrt(120), rel=0.15)
    assert found.rest == pytest.approx(0.3, rel=0.05)


def test_the_spread_agrees_with_the_mean_squares_of_statsmodels():
    values, prompts = simulated(0.5, 0.8, 0.3, 1)
    values = values[:4, :40]
    fits, n = values.shape
    frame = pd.DataFrame({"y": values.ravel(), "fit": np.repeat(each(fits), n), "picture": np.tile(each(n), fits)})
    table = anova_lm(smf.ols("y ~ C(fit) + C(picture)", frame).fit())
    fit_ms, rest_ms = table.loc["C(fit)", "mean_sq"], table.loc["Residual", "mean_sq"]
    found = power.spread(values, prompts[:40])
    assert found.fit == pytest.approx(np.sqrt((fit_ms - rest_ms) / n))
    assert found.rest == pytest.approx(np.sqrt(rest_ms))


def test_equal_fits_have_no_spread_and_single_draws_none_that_is_known():
    values = np.tile(RNG(0).normal(size=6), (3, 1))
    assert power.spread(values, each(6)) == (0, None, pytest.approx(0, abs=1e-12))
    with pytest.raises(ValueError, match="two of each"):
        power.spread(values[:1], each(6))


def test_draws_made_in_blocks_give_the_p_of_draws_made_at_once(monkeypatch):
    random = np.random.default_rng(3)
    parts = [(random.random(40), random.random(40) + 0.05, np.arange(40))]
    whole = paired.exchange(derived.ua, parts)
    permutations._few.cache_clear()  # of the same draws
    monkeypatch.setattr(permutations, "BLOCK", 100)
    assert paired.exchange(derived.ua, parts) == whole


def exact_power(n: int, differ: float, share: float) -> float:
    """By going through every outcome."""
    return sum(
        multinomial.pmf([won, lost, n - won - lost], n, [differ * share, differ * (1 - share), 1 - differ])
        for won in range(n + 1)
        for lost in range(n + 1 - won)
        if paired.mcnemar(won, lost) <= 0.05
    )


@pytest.mark.parametrize(
    ("n", "differ", "share"), [(3, 1.0, 1.0), (9, 0.75, 1.0), (14, 0.6, 0.9), (20, 0.5, 0.7), (25, 0.3, 0.2)]
)
def test_the_power_of_mcnemars_exact_test_is_that_of_every_outcome(n, differ, share):
    assert power.yes_no_power(n, differ, share) == pytest.approx(exact_power(n, differ, share), abs=1e-9)


@pytest.mark.parametrize(("won", "lost", "n"), [(6, 0, 8), (2, 0, 8), (5, 1, 20), (1, 3, 12)])
def test_as_many_yes_no_pictures_as_needed_have_the_power_and_one_fewer_has_not(won, lost, n):
    found = power.yes_no_needed(won, lost, n)
    assert found >= 6
    at, before = (power.yes_no_power(size, (won + lost) / n, won / (won + lost)) for size in (found, found - 1))
    assert before < 0.8 <= at


def test_a_small_difference_needs_about_what_the_normal_approximation_says():
    found = power.yes_no_needed(56, 44, 1000)
    assert found == pytest.approx(power.needed(0.012, np.sqrt((0.1 - 0.012**2) / 1000), 1000), rel=0.1)
    assert power.yes_no_needed(3, 3, 10) is None


def test_no_test_of_prompts_is_significant_with_fewer_than_six():
    assert power.pictures_needed(np.array([1.0, 1.1, 0.9, 1.0]), each(4)) == 6
    assert power.pictures_needed(np.repeat([1.0, 1.1, 0.9, 1.0], 3), np.repeat(each(4), 3)) == 18
    assert paired.signs(np.ones(5), each(5)) > 0.05 > paired.signs(np.ones(6), each(6))


@pytest.mark.parametrize("m", [14, 5000, 7000])
def test_who_changes_places_is_drawn_as_by_the_definition_in_blocks_of_any_size(m):
    plain = np.random.default_rng((3, m)).random((permutations.RESAMPLES, m)) < 0.5
    assert (np.concatenate(list(permutations.changes(m, 3)))[1:] == plain).all()


@pytest.mark.parametrize("several", [2, 5])
def test_tests_that_are_made_together_have_the_p_of_each_alone(several):
    random = np.random.default_rng(several)
    which = np.repeat(np.arange(30), 3)
    every = [(random.normal(size=90), random.normal(size=90), which) for _ in range(several)]
    every.append((np.ones(90), np.ones(90), which))
    every.append((random.integers(0, 2, 30).astype(float), np.zeros(30), np.arange(30)))
    together = paired.compare_all([paired.summed(*one) for one in every])
    assert together == [paired.compare(*one) for one in every]
    for (a, b, clusters), found in zip(every[:-1], together, strict=False):
        assert found.p == paired.exchange(lambda mean: mean, [(a, b, clusters)])


def test_numbers_that_are_tested_together_have_the_p_of_each_alone():
    random = np.random.default_rng(7)
    shares = [(random.random(20), random.random(20), each(20)), (random.random(20), random.random(20), each(20) + 20)]
    rates = [(*(random.integers(0, 2, (2, 20)).astype(float)), which) for *_, which in shares]
    few = [(random.random(4), random.random(4), each(4)), (random.random(4), random.random(4), each(4) + 4)]
    tests = [(derived.da, shares), (derived.h_c, shares), (derived.h_c, rates), (derived.da, few), (derived.h_c, few)]
    together = paired.exchange_all([paired.exchanged(*one) for one in tests])
    assert together == [paired.exchange(*one) for one in tests]


@pytest.mark.parametrize("n", [9, 11, 13])
def test_a_share_of_one_is_never_more_by_rounding_whoever_changes_places(n):
    for seed in range(100):
        ones, (some, kept) = np.ones(n), np.random.default_rng(seed).random((2, n))
        parts = [(some, ones, each(n)), (kept, kept, each(n) + n)]  # all n change places in one of the 2^n ways
        assert paired.exchange(derived.h_c, parts) == 2 / 2**n


def test_a_number_of_several_means_needs_six_prompts_of_each_however_many_pictures_they_have():
    """Four prompts of ten pictures each, in both parts: six would be 120 pictures."""
    assert power.numbers_needed(0.4, 1e-6, [(40, 4), (40, 4)]) == 120
    assert power.numbers_needed(0.4, 1e-6, [(40, 40), (40, 40)]) == 12
    assert power.numbers_needed(0.4, None, [(40, 4), (40, 4)]) is None
