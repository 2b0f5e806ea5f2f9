"""Rank correlation: known answers, other libraries, and published rankings beside ours."""

from __future__ import annotations

from pathlib import Path

import frames
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from test_published import number
from test_summary import score

from dumo_bench import published
from dumo_bench.analysis import summary
from dumo_bench.metrics import ranks
from dumo_bench.published import rank

NUMBERS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=5)


@settings(deadline=None)
@given(NUMBERS)
def test_rho_is_scipys_with_ties_too(pairs):
    first, second = zip(*pairs, strict=True)
    found = ranks.spearman(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert found == ranks.Correlation(len(pairs), None)
    else:
        assert found.rho == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(NUMBERS)
def test_p_is_that_of_scipys_exact_permutation_test(pairs):
    first, second = (np.array(values, float) for values in zip(*pairs, strict=True))
    found = ranks.spearman(first, second)
    if found.rho is None:
        return
    exact = stats.permutation_test(
        (first,), lambda x: abs(stats.spearmanr(x, second).statistic), permutation_type="pairings", n_resamples=np.inf,
        alternative="greater",
    )  # fmt: skip
    assert found.p == pytest.approx(exact.pvalue)


def test_the_interval_is_bonetts_and_wrights():
    """n = 10, rho = .6: z = .6931, standard error sqrt((1 + .18) / 7) = .4106."""
    second = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    first = [5, 1, 2, 4, 9, 3, 6, 10, 7, 8]
    found = ranks.spearman(first, second)
    assert found.rho == pytest.approx(1 - 6 * sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) / 990)
    half = 1.959964 * np.sqrt((1 + found.rho**2 / 2) / 7)
    ends = np.tanh([np.arctanh(found.rho) - half, np.arctanh(found.rho) + half])
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=1e-6)


def test_three_things_in_one_order_have_no_interval_and_p_one_third():
    assert ranks.spearman([1, 2, 3], [4, 5, 6]) == (3, pytest.approx(1), None, None, pytest.approx(1 / 3))


def test_more_things_than_all_orders_are_drawn_for_agree_with_the_exact_test_of_fewer():
    g = np.random.default_rng(1)
    first, second = g.normal(size=9), g.normal(size=9)
    found = ranks.spearman(first, second)
    assert found.p == pytest.approx(stats.spearmanr(first, second).pvalue, abs=0.05)


RATES = {
    "uce": (0.5, 0.1),
    "rece": (0.25, 0.3),
    "receler": (0.2, 0.2),
    "esd": (0.0, 0.2),
}  # ours on two cases of four pictures


def folder(out: Path, more: tuple[dict, ...] = ()) -> published.Results:
    rows = [
        score(method, "ghost", 0, prompt_id=f"p{i}", metric="judge.erased", case=case, value=float(i < 20 * rate),
              params='{"variant":"u"}' if method == "esd" else "{}")
        for method, rates in RATES.items()
        for case, rate in zip("ab", rates, strict=True)
        for i in range(20)
    ]  # fmt: skip
    frames.write(out / "tables", "scores", "a", [row | {"suite": "emoji-unsafe"} for row in [*rows, *more]])
    summary.write(out, [])
    return published.Results(out)


def numbers(**values: float) -> list[published.Published]:
    where = {"suite": "i2p-4703", "case": "nudity"}
    return [number("nude parts, total", value, method=m.upper(), name=m, **where) for m, value in values.items()]


def test_a_published_order_is_held_against_the_means_over_our_cases(tmp_path):
    (found,) = rank.rankings(numbers(uce=200, rece=90, esd=50), folder(tmp_path))
    assert found.values["UCE"] == (200, pytest.approx(0.3))
    assert found.values["ESD"] == (50, pytest.approx(0.1))
    assert (found.found.rho, found.found.n, found.why) == (pytest.approx(1), 3, "no interval of three methods")
    (other,) = rank.rankings(numbers(uce=50, rece=90, esd=200), published.Results(tmp_path))
    assert other.found.rho == pytest.approx(-1)


def test_means_are_over_the_cases_that_all_methods_have(tmp_path):
    """SPEED was run on the second case alone, where UCE leaves least."""
    more = [
        score("speed", "ghost", 0, prompt_id=f"p{i}", metric="judge.erased", case="b", value=1.0, suite="emoji-unsafe")
        for i in range(20)
    ]
    (found,) = rank.rankings(numbers(uce=200, rece=90, esd=50, speed=10), folder(tmp_path, tuple(more)))
    assert {name: ours for name, (_, ours) in found.values.items()} == pytest.approx(
        {"UCE": 0.1, "RECE": 0.3, "ESD": 0.2, "SPEED": 1.0}
    )
    assert found.why == "not all methods have emoji-unsafe a: it is left out"


def test_two_sources_are_never_pooled(tmp_path):
    apart = [number("nude parts, total", 1, suite="i2p-4703", case="nudity", method="ESD", name="esd", source="b")]
    found = rank.rankings([*numbers(uce=200, rece=90), *apart], folder(tmp_path))
    assert [one.found.n for one in found] == [2, 1]
    assert all(one.found.rho is None and "3 are needed" in one.why for one in found)


def test_a_method_that_was_run_with_several_settings_is_left_out_and_named(tmp_path):
    twice = score("esd", "ghost", 0, prompt_id="p0", metric="judge.erased", case="a", value=1.0, params='{"steps":1}')
    (found,) = rank.rankings(numbers(uce=200, rece=90, esd=50), folder(tmp_path, (twice,)))
    assert set(found.values) == {"UCE", "RECE"} and "several settings of ESD" in found.why


def test_the_unedited_model_takes_no_place_in_a_ranking():
    row = number("nude parts, total", 700, suite="i2p-4703", case="nudity", method="SD", name="original")
    assert not any(question.holds(row) for question in rank.QUESTIONS)


def test_the_command_prints_both_orders_and_what_they_agree_by(command, tmp_path):
    folder(tmp_path)
    said = command("paper-diff", "--rank", "--out", tmp_path)
    assert said.code == 0, said.err
    assert "Semantic Surgery" in said.out and "rho 1.00 (no interval of three methods), p 0.33, n = 3" in said.out
    assert "of 9 published tables share three methods or more" in said.out


def test_every_question_is_about_numbers_that_are_there():
    rows = published.load()
    assert all(any(question.holds(row) for row in rows) for question in rank.QUESTIONS)
