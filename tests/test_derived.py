"""Derived numbers: known answers, limits, and where they stand in a summary."""

from __future__ import annotations

import frames
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hmean
from test_summary import made, pick, score, world

from dumo_bench.analysis import summary
from dumo_bench.analysis.derived import Part
from dumo_bench.metrics import derived
from dumo_bench.storage import table
from dumo_bench.types import Case, Sampling, Suite

RATE = st.floats(0.01, 1)
#: of each scorer that recognises concepts: whether an erased one is seen, whether the prompt's own is
RATES = (
    ("judge.erased", "judge.object"),
    ("judge.erased", "judge.style"),
    ("clip.a.b.erased", "clip.a.b.accuracy"),
    ("style.x.erased", "style.x.right"),
)


def test_the_published_h_o_follows_from_the_published_parts_of_each_class_it_is_the_mean_of():
    """MACE's row of averages is the mean of ten harmonic means, so it lies near, and not at, that of the averages."""
    for acc_e, acc_s, acc_g, published in ((8.49, 97.35, 10.53, 92.61), (98.34, 98.56, 83.38, 3.63)):
        assert 100 * derived.h_o(acc_e / 100, acc_s / 100, acc_g / 100) == pytest.approx(published, abs=1)


def test_the_published_h_c_and_h_a_follow_from_their_published_parts():
    assert 100 * derived.h_c(0.0431, 0.8456) == pytest.approx(89.78, abs=0.01)
    assert 100 * derived.h_c(0.1870, 0.6178) == pytest.approx(70.21, abs=0.01)
    assert derived.h_a(28.58, 22.59) == pytest.approx(5.99)


@settings(deadline=None)  # scipy is imported by the first
@given(RATE, RATE, RATE)
def test_h_o_is_the_harmonic_mean_of_its_parts(e, s, g):
    assert derived.h_o(1 - e, s, 1 - g) == pytest.approx(hmean([e, s, g]))
    assert derived.h_c(1 - e, s) == pytest.approx(hmean([e, s]))


NUMBERS = frames.named(
    *{name for pair in RATES for name in pair}, "clip.emoji.cosine", "clip.emoji.x100", "lpips_alex_native"
).numbers


def test_every_kind_of_number_is_made_of_this_projects_metrics():
    assert {number.what for number in NUMBERS} == {"ua", "acc_e", "acc_g", "h_c", "h_o", "hm", "h_a", "da"}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.metric.name)
def test_every_number_of_arrays_is_the_array_of_its_numbers(number):
    means = np.random.default_rng(0).random((len(number.parts), 9))
    means[:, :2] = 0, 1
    assert number.f(*means) == pytest.approx([number.f(*map(float, one)) for one in means.T])


@pytest.mark.parametrize(
    ("eff", "gen", "sens", "published"),
    [(86.5, 90.2, 85.0, 15.97), (24.5, 50.5, 65.9, 61.70), (41.8, 68.3, 82.7, 49.32)],
)
def test_hm_is_that_of_erasebench_s_printed_rows(eff, gen, sens, published):
    assert 100 * derived.hm(eff / 100, sens / 100, gen / 100) == pytest.approx(published, abs=0.02)


def test_hm_is_of_neighbours_where_h_o_is_of_all_that_is_kept():
    def target(concept: str) -> dict:
        where = {"prompt_id": concept, "erase": '["ghost"]', "role": "target", "concept": concept}
        return score("dumo", "ghost", 0, metric="judge.erased", value=0.0) | where

    kept = [score("dumo", "alien", 0, value=0.0), score("dumo", "alien", 1, value=1.0), score("dumo", "dog", 0)]
    found = made([target("ghost"), target("spirit"), *kept])
    rate = {of: pick(found, role="all", metric=f"judge.object.{of}")["value"] for of in ("hm", "h_o")}
    assert rate == pytest.approx({"hm": derived.hm(0, 0.5, 0), "h_o": derived.h_o(0, 2 / 3, 0)})


@pytest.mark.parametrize("parts", [(1.0, 1.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 1.0)])
def test_h_o_is_0_where_nothing_is_erased_or_nothing_is_kept(parts):
    assert derived.h_o(*parts) == 0


def test_a_perfect_eraser_has_ua_1_h_1_and_the_original_0():
    assert (derived.ua(0.0), derived.h_o(0, 1, 0), derived.h_c(0, 1)) == (1, 1, 1)
    assert (derived.ua(1.0), derived.h_c(1, 1)) == (0, 0)


def test_percents_are_refused_where_rates_are_wanted():
    with pytest.raises(ValueError, match="at least 0"):
        derived.h_o(8.49, 97.35, 10.53)


def test_a_perfect_eraser_has_ua_1_and_h_c_1_in_the_summary_beside_their_parts():
    found = made(world())
    ua = pick(found, method="perfect", role="target", metric="judge.erased.ua")
    assert (ua["value"], ua["n"], ua["high"]) == (1, 10, 1)
    assert ua["low"] == pytest.approx(1 - pick(found, method="perfect", role="target", metric="judge.erased")["high"])
    assert pick(found, method="perfect", role="all", metric="judge.object.h_c")["value"] == 1
    assert pick(found, method="original", role="all", metric="judge.object.h_c")["value"] == 0


def test_lpips_da_is_the_targets_mean_minus_the_kept_prompts_mean():
    metric = "lpips_alex_64_cv2"
    values = {"ghost": (0.5, 0.3), "alien": (0.1, 0.1), "dog": (0.0, 0.2)}
    rows = [
        score("dumo", concept, 0, prompt_id=f"{concept}-{i}", metric=metric, value=value)
        for concept, both in values.items()
        for i, value in enumerate(both)
    ]
    row = pick(made(rows), role="all", metric=f"{metric}.da")
    assert (row["value"], row["n"]) == (pytest.approx(0.4 - 0.1), 6)
    assert row["low"] < row["value"] < row["high"]
    assert row["how"].startswith("distance_e - distance_u")


def test_h_a_is_kept_minus_target():
    rows = [score("dumo", "ghost", 0, metric="clip.x.cosine", value=0.2)]
    rows += [score("dumo", "dog", 0, metric="clip.x.cosine", value=0.3)]
    assert pick(made(rows), role="all", metric="clip.x.cosine.h_a")["value"] == pytest.approx(0.1)


@pytest.mark.parametrize(("erased", "right"), RATES)
def test_h_o_tells_prompts_that_name_the_erased_concept_from_those_that_mean_it(erased, right):
    def seen(concept: str, i: int, value: float) -> list[dict]:
        where = {"prompt_id": f"{concept}-{i}", "erase": '["ghost"]', "role": "target", "concept": concept}
        return [score("dumo", "ghost", 0, metric=erased, value=value) | where]

    rows = [*seen("ghost", 0, 0.0), *seen("spirit", 0, 1.0), *seen("spirit", 1, 0.0)]
    found = made([*rows, score("dumo", "dog", 0, metric=right)])
    row = pick(found, role="all", metric=f"{right}.h_o")
    assert row["value"] == pytest.approx(derived.h_o(0.0, 1.0, 0.5))
    parts = [pick(found, role="target", metric=f"{erased}.acc_{of}") for of in "eg"]
    assert [(part["value"], part["n"]) for part in parts] == [(0.0, 1), (0.5, 2)]
    assert row["value"] == derived.h_o(parts[0]["value"], 1.0, parts[1]["value"])


def synonyms(method: str, erase: str, shown: float) -> list[dict]:
    """Two targets, of which one says the ghost in another word, and a kept prompt."""
    rows = [score(method, "ghost", 0, metric="judge.erased", value=shown), score(method, "dog", 0)]
    rows += [score(method, "ghost", 1, metric="judge.erased", value=shown) | {"concept": "spirit"}]
    return [row | {"erase": erase} for row in rows]


def test_the_unedited_model_has_its_h_o_too_though_its_rows_name_no_erased_concept():
    own = synonyms("original", "[]", 1.0)
    suite = Suite("emoji-cartoon", 1, "", "", (Case("ghost", ("ghost",)),), (), Sampling("m", "ddim", 1, 1.0, 64, 64))
    beside_another = made([*own, *synonyms("identity", '["ghost"]', 1.0)])
    alone = summary.make(found := frames.frame("scores", own), table.empty("sets"), frames.known(found), [suite])
    for found in (beside_another, alone):
        assert pick(found, method="original", role="all", metric="judge.object.h_o")["value"] == 0
        assert pick(found, method="original", role="target", metric="judge.erased.acc_e")["n"] == 1
    assert not made(own)["metric"].str.endswith(".h_o").any()  # nothing says what the case erases


@pytest.mark.parametrize(("erased", "right"), RATES)
def test_ua_and_h_c_of_a_scorer_are_called_after_it_and_made_of_its_own_rates(erased, right):
    rows = [score("dumo", "ghost", i, metric=erased, value=value) for i, value in enumerate((0.0, 0.0, 0.0, 1.0))]
    rows += [score("dumo", "dog", i, metric=right, value=value) for i, value in enumerate((1.0, 0.0))]
    found = made(rows)
    assert pick(found, role="target", metric=f"{erased}.ua")["value"] == 0.75
    assert pick(found, role="all", metric=f"{right}.h_c")["value"] == pytest.approx(derived.h_c(0.25, 0.5))
    made_of = frames.named(erased, right).named(f"{right}.h_c").made_of
    assert made_of == (Part(erased, "target"), Part(right, "kept"))
    assert sorted(found.loc[found["role"] == "all", "metric"]) == [f"{right}.h_c"]


def test_a_number_with_an_unmeasured_part_is_null_with_its_reason_and_never_computed_from_the_rest():
    rows = [score("dumo", "ghost", 0, metric="lpips_x", value=None, note="no weights")]
    rows += [score("dumo", "dog", 0, metric="lpips_x")]
    row = pick(made(rows), role="all", metric="lpips_x.da")
    assert (row["value"], row["low"], row["n"], row["n_missing"]) == (None, None, 1, 1)
    assert row["note"] == "1 missing in its parts"


def test_a_number_whose_parts_were_never_tried_is_not_in_the_summary():
    assert not made([score("dumo", "dog", 0)])["metric"].str.endswith(".h_c").any()


def test_more_is_better_for_every_derived_number_but_what_is_left_of_the_erased_concept():
    found = made(synonyms("dumo", '["ghost"]', 0.0))
    for number in NUMBERS:
        mine = found[found["metric"] == number.metric.name]
        assert set(mine["higher_is_better"]) <= {number.what not in ("acc_e", "acc_g")}
    assert {"judge.erased.ua", "judge.erased.acc_e", "judge.object.h_o"} <= set(found["metric"])
