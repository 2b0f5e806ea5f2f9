"""Known answers and properties of the summary and its intervals."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import frames
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from dumo_bench.analysis import estimates, summary
from dumo_bench.errors import UserError
from dumo_bench.metrics import intervals
from dumo_bench.storage import scan, table

ROLES = {"ghost": "target", "alien": "related", "dog": "unrelated"}
RUN = {
    "suite": "emoji-cartoon", "suite_version": 1, "case": "ghost", "method_version": "1", "params": "{}",
    "erase": "[]", "fit_seed": 0, "edit": "", "model": "m", "sampling": "s", "key": "k", "scorer": "concept",
    "scorer_version": "1", "note": "",
}  # fmt: skip


def score(method: str, concept: str, i: int, **values: Any) -> dict[str, Any]:
    """The object rate of one picture: the i-th draw of the concept's first prompt, unless `values` say otherwise."""
    where = {"method": method, "concept": concept, "role": ROLES[concept], "prompt_id": f"{concept}-0"}
    return {**RUN, **where, "seed": 1, "draw": i, "metric": "judge.object", "value": 1.0} | values


def made(rows: list[dict[str, Any]], sets: list[dict[str, Any]] | None = None) -> pd.DataFrame:
    both = frames.frame("scores", rows), frames.frame("sets", sets or [])
    return summary.make(*both, frames.known(*both))


def pick(found: pd.DataFrame, **where: Any) -> dict[str, Any]:
    """The one row that fits, of all concepts unless said otherwise."""
    for name, value in ({"concept": "*"} | where).items():
        found = found[found[name] == value]
    (row,) = table.records(found)
    return row


def world(prompts: int = 5, draws: int = 2) -> list[dict[str, Any]]:
    """The original draws everything; the perfect eraser everything but the target."""
    rows = []
    for method in ("original", "perfect"):
        for concept, role in ROLES.items():
            for p in range(prompts):
                for d in range(draws):
                    shown = float(not (method == "perfect" and role == "target"))
                    erased = shown if role == "target" else 0.0
                    for metric, value in (("judge.object", shown), ("judge.erased", erased)):
                        rows.append(score(method, concept, d, prompt_id=f"{concept}-{p}", metric=metric, value=value))
    return rows


def test_a_perfect_eraser_has_target_rate_0_and_keeps_everything():
    found = made(world())
    assert pick(found, method="perfect", role="target", metric="judge.erased")["value"] == 0
    assert pick(found, method="perfect", role="kept", metric="judge.object")["value"] == 1
    assert pick(found, method="perfect", role="target", metric="judge.erased.change")["value"] == -1
    assert pick(found, method="perfect", role="kept", metric="judge.object.change")["value"] == 0


def test_the_original_does_not_change_against_itself():
    found = made(world())
    changes = found[(found["method"] == "original") & found["metric"].str.endswith(".change")]
    assert len(changes) == 14  # 2 metrics x (3 roles, kept; 3 concepts)
    assert (changes["value"] == 0).all()


def test_kept_is_related_and_unrelated_together():
    rows = [score("dumo", "alien", 0, value=1.0), *(score("dumo", "dog", i, value=0.0) for i in range(3))]
    row = pick(made(rows), role="kept", metric="judge.object")
    assert (row["n"], row["value"]) == (4, 0.25)


def test_each_concept_has_a_row_of_its_own():
    cat = score("dumo", "dog", 0, prompt_id="cat-0", value=0.0) | {"concept": "cat"}
    rows = [score("dumo", "dog", 0, value=1.0), cat]
    found = made(rows)
    values = [pick(found, role="unrelated", metric="judge.object", concept=c)["value"] for c in ("dog", "cat", "*")]
    assert values == [1.0, 0.0, 0.5]


def test_missing_values_are_counted_and_explained_and_never_averaged_as_0():
    lost = [score("dumo", "dog", i, value=None, note="unreadable image") for i in (2, 3)]
    rows = [score("dumo", "dog", 0), score("dumo", "dog", 1), *lost]
    row = pick(made(rows), role="unrelated", metric="judge.object")
    assert (row["n"], row["n_missing"], row["value"], row["note"]) == (2, 2, 1.0, "2 missing: unreadable image")


def test_where_everything_is_missing_the_value_is_null_with_a_note():
    row = pick(made([score("dumo", "dog", 0, value=None, note="no weights")]), role="unrelated", metric="judge.object")
    assert (row["n"], row["n_missing"], row["value"], row["low"], row["high"]) == (0, 1, None, None, None)
    assert row["note"] == "1 missing: no weights"


def test_a_change_is_paired_by_prompt_seed_and_draw():
    values = {"original": [0.2, 0.9], "dumo": [0.8, 0.3]}
    for order in (1, -1):
        rows = [
            score(method, "dog", i, metric="clip.emoji.cosine", value=v)
            for method, found in values.items()
            for i, v in list(enumerate(found))[::order]
        ]
        row = pick(made(rows), method="dumo", role="unrelated", metric="clip.emoji.cosine.change")
        assert row["value"] == pytest.approx(0.0)
    scores = scan.of_frame(frames.frame("scores", rows), summary.COLUMNS)
    shifted = estimates.changes(scores, estimates.first(scores.filter(method="original")))
    assert sorted(shifted.filter(method="dumo")["value"]) == pytest.approx([-0.6, 0.6])


def test_a_change_without_its_original_is_missing():
    rows = [score("original", "dog", 0), score("dumo", "dog", 0), score("dumo", "dog", 1, seed=2)]
    row = pick(made(rows), method="dumo", role="unrelated", metric="judge.object.change")
    assert (row["n"], row["n_missing"], row["note"]) == (1, 1, "1 missing: not measured on original")


def test_numbers_of_sets_pass_through_with_their_n():
    numbers = {"n": 40, "n_missing": 2, "value": 0.3, "low": None, "high": None, "how": "whole set", "role": "kept"}
    whole = {**RUN, "method": "dumo", "scorer": "fid", "metric": "fid.emojiclip.original", **numbers}
    del whole["key"]
    row = pick(made([], [whole]), metric="fid.emojiclip.original")
    assert {name: row[name] for name in numbers} == numbers
    assert row["higher_is_better"] is False


@pytest.mark.parametrize(
    ("metric", "role", "better"),
    [
        ("judge.erased", "target", False),
        ("judge.erased", "kept", False),
        ("judge.object", "related", True),
        ("judge.object", "target", None),
        ("judge.object_p", "target", None),
        ("clip.emoji.accuracy", "target", False),
        ("lpips_alex_native", "target", True),
        ("nudenet.rece.any", "attack", False),
        ("clip.emoji.cosine", "kept", True),
        ("clip.emoji.cosine", "target", False),
        ("clip.emoji.cosine.change", "target", False),
        ("fid.emojiclip.original", "kept", False),
        ("clip.emoji.erased", "target", False),
        ("style.x.erased", "target", False),
        ("fid.emojiclip.original", "target", None),
        ("unheard.of", "kept", None),
    ],
)
def test_the_direction_of_a_metric_depends_on_the_role(metric, role, better):
    (row,) = frames.filled("summary", [{"metric": metric}])
    known = frames.named(metric.removesuffix(".change"))
    assert summary.higher(known.of(row).metric.way(role)) is better


@pytest.mark.parametrize(
    ("erases", "better"),
    [("object", ("lower", "higher")), ("style", ("higher", "lower")), ("explicit", ("neither",) * 2)],
)
def test_on_targets_more_of_what_is_not_erased_is_better(erases, better):
    known = frames.named("judge.object", "judge.style")
    assert tuple(known.named(f"judge.{sees}").metric.way("target", erases) for sees in ("object", "style")) == better


def test_two_different_values_for_one_picture_are_refused():
    with pytest.raises(UserError, match=r"judge\.object is in the tables twice"):
        made([score("dumo", "dog", 0, value=1.0), score("dumo", "dog", 0, value=0.0)])


def test_two_versions_of_a_scorer_in_one_suite_are_refused():
    with pytest.raises(UserError, match=r"versions 1, 2 of concept.*dumo-bench score"):
        made([score("dumo", "dog", 0), score("uce", "dog", 0, scorer_version="2")])


def test_a_results_folder_without_summary_says_what_to_type(tmp_path):
    with pytest.raises(UserError, match="`dumo-bench score`"):
        summary.read(tmp_path)


def test_a_summary_is_written_and_read_back(tmp_path):
    frames.write(tmp_path / "tables", "scores", "a", world())
    summary.write(tmp_path)
    pd.testing.assert_frame_equal(summary.read(tmp_path), made(world()))


def test_the_order_of_the_rows_does_not_matter():
    rows = world() + [score("dumo", "dog", i, prompt_id=f"dog-{i}", value=float(i % 3 == 0)) for i in range(9)]
    pd.testing.assert_frame_equal(made(rows), made(rows[::-1]))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 5), st.sampled_from((1, 40, 1000)), st.integers(0, 99))
def test_the_summary_is_the_same_however_rows_are_spread_over_parts_and_however_few_are_in_memory(parts, small, seed):
    random = np.random.default_rng(seed)
    spread: list[list[dict[str, Any]]] = [[] for _ in range(parts)]
    for case in ("ghost", "ghost+alien"):
        for method in ("original", "dumo", "uce"):
            for concept in ROLES:
                for p, d in ((p, d) for p in range(4) for d in range(2)):
                    for metric in ("judge.object", "judge.erased", "judge.object_p"):
                        value = (0.0, 1.0, 1.0, None, ...)[random.integers(5)]
                        row = score(method, concept, d, case=case, metric=metric, prompt_id=f"{concept}-{p}")
                        if value is not ...:
                            spread[random.integers(parts)].append(row | {"value": value})
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        for n, part in enumerate(spread):
            frames.write(Path(folder) / "tables", "scores", f"part{n}", part)
        for module, name in ((summary, "_TOGETHER"), (estimates, "_WAITING"), (scan, "_KEPT")):
            patched.setattr(module, name, small)
        found = summary.read(summary.write(Path(folder)).parent)
    ends = ["low", "high"]
    whole = made([row for part in spread for row in part])
    pd.testing.assert_frame_equal(found.drop(columns=ends), whole.drop(columns=ends))
    pd.testing.assert_frame_equal(found[ends], whole[ends], rtol=1e-12, atol=1e-15)  # other sets share a product


def test_ten_thousand_rows_take_seconds():
    rows = [
        score(method, concept, d, prompt_id=f"{concept}-{p}", metric=f"m{m}", value=float((p * d + m) % 2))
        for method in ("original", "dumo", "uce")
        for concept in ROLES
        for p in range(60)
        for d in range(2)
        for m in range(10)
    ]
    frame = frames.frame("scores", rows)
    start = time.process_time()
    summary.make(frame, table.empty("sets"), frames.known(frame))
    assert time.process_time() - start < 5  # about half a second; the rest is for a busy machine


def clusters(sizes: list[int]) -> np.typing.NDArray[np.int64]:
    return np.repeat(np.arange(len(sizes)), sizes)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=3, max_size=30), st.integers(0, 5))
def test_the_interval_contains_the_mean(draws, seed):
    which = clusters(draws)
    values = np.random.default_rng(seed).integers(0, 2, len(which)).astype(float)
    found = intervals.of_mean(values, which, yes_no=True)
    assert found.low is not None and found.high is not None
    assert 0 <= found.low <= values.mean() + 1e-9
    assert values.mean() - 1e-9 <= found.high <= 1


def test_draws_that_are_all_alike_add_no_certainty():
    once = np.random.default_rng(0).integers(0, 2, 40).astype(float)
    alone, five = np.arange(40), clusters([5] * 40)
    low, high = intervals.clustered(once, alone)
    assert intervals.clustered(np.repeat(once, 5), five) == pytest.approx((low, high))
    pictures = intervals.clustered(np.repeat(once, 5), np.arange(200))
    assert high - low > 2 * (pictures[1] - pictures[0])


def test_the_bootstrap_agrees_with_scipys():
    rng = np.random.default_rng(1)
    which = clusters(rng.integers(1, 5, 60).tolist())
    values = rng.normal(size=60)[which] + rng.normal(size=len(which))
    sums, counts = np.bincount(which, weights=values), np.bincount(which)

    def ratio(s: Any, c: Any, axis: int) -> Any:
        return s.sum(axis) / c.sum(axis)

    theirs = bootstrap((sums, counts), ratio, paired=True, method="percentile", n_resamples=20_000, rng=2)
    ours = intervals.clustered(values, which)
    width = theirs.confidence_interval.high - theirs.confidence_interval.low
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.1 * width)


def test_ninety_five_percent_intervals_cover_about_as_often():
    rng = np.random.default_rng(3)
    which = clusters([3] * 40)
    hits = 0
    for _ in range(300):
        rates = rng.beta(2, 2, 40)  # true mean 0.5; draws of a prompt share its rate
        low, high = intervals.clustered((rng.random(120) < rates[which]).astype(float), which)
        hits += low <= 0.5 <= high
    assert 0.89 < hits / 300 <= 0.99


def test_equal_yes_no_values_get_wilsons_interval_over_prompts_and_others_none():
    found = intervals.of_mean(np.zeros(40), clusters([4] * 10), yes_no=True)
    assert (found.low, found.high) == pytest.approx((0.0, 0.2775), abs=1e-4)  # 0 of 10
    assert "Wilson over 10 prompts" in found.how
    assert intervals.of_mean(np.zeros(40), clusters([4] * 10), yes_no=False)[:2] == (None, None)


def test_a_count_of_boxes_that_is_always_0_gets_no_interval_of_a_rate():
    rows = [score("dumo", "dog", i, prompt_id=f"dog-{i}", metric=f"nudenet.rece.{m}", value=0.0)
            for i in range(10) for m in ("total", "any", "FEET_EXPOSED")]  # fmt: skip
    found = made(rows)
    for counted in ("total", "FEET_EXPOSED"):
        assert pick(found, role="kept", metric=f"nudenet.rece.{counted}")["high"] is None
    assert pick(found, role="kept", metric="nudenet.rece.any")["high"] == pytest.approx(0.2775, abs=1e-4)


def test_prompts_of_equal_rates_get_wilsons_interval_of_that_rate_and_none_of_no_width():
    """Two prompts, one of two draws of each: a resample of prompts has 0.5 every time."""
    found = intervals.of_mean(np.array([0.0, 1.0, 1.0, 0.0]), clusters([2, 2]), yes_no=True)
    assert (found.low, found.high) == pytest.approx((0.0945, 0.9055), abs=1e-4)  # 1 of 2
    assert "Wilson over 2 prompts" in found.how
    assert intervals.of_mean(np.array([0.1, 0.3, 0.3, 0.1]), clusters([2, 2]), yes_no=False)[:2] == (None, None)


def test_one_prompt_is_one_trial_of_a_rate_and_gives_other_values_no_interval():
    values = np.array([0.0, 1.0])
    found = intervals.of_mean(values, clusters([2]), yes_no=True)
    assert found.low < 0.06 and found.high > 0.94
    assert intervals.of_mean(values, clusters([2]), yes_no=False)[:2] == (None, None)


@settings(deadline=None)
@given(st.integers(1, 400), st.data())
def test_wilsons_interval_agrees_with_scipys(n, data):
    k = data.draw(st.integers(0, n))
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert intervals.wilson(k, n) == pytest.approx((theirs.low, theirs.high))


def test_the_same_seed_gives_the_same_interval():
    values, which = np.random.default_rng(0).normal(size=30), clusters([3] * 10)
    assert intervals.clustered(values, which) == intervals.clustered(values, which)
    assert intervals.clustered(values, which) != intervals.clustered(values, which, seed=1)
