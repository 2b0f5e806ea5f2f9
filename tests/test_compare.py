"""`dumo-bench compare`: known answers, mistakes and settings, through the real command on tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import frames
import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from test_summary import score, world

from dumo_bench.analysis import compare, differences, summary
from dumo_bench.analysis.overlaps import overlaps
from dumo_bench.analysis.sides import Side, side, told
from dumo_bench.errors import UserError


def folder(out: Path, rows: list[dict[str, Any]], sets: list[dict[str, Any]] | None = None) -> Path:
    frames.write(out / "tables", "scores", "a", rows)
    if sets:
        frames.write(out / "tables", "sets", "a", sets)
    summary.write(out)
    return out


def found(out: Path, a: str, b: str, **only: str) -> dict[tuple[str, str], differences.Difference]:
    differences = compare.compare(side(a, out), side(b, out), **only)
    return {(d.role, d.metric): d for d in differences}


def sides(out: Path) -> tuple[Side, Side]:
    return side("perfect", out), side("original", out)


@pytest.fixture
def perfect(tmp_path: Path) -> Path:
    return folder(tmp_path, world(prompts=12, draws=1))


def test_a_perfect_eraser_is_better_on_targets_and_equal_elsewhere(perfect):
    differences = found(perfect, "perfect", "original")
    gone = differences["target", "judge.erased"]
    assert (gone.difference, gone.won, gone.lost, gone.how) == (-1, 0, 12, "McNemar, exact")
    assert gone.p == pytest.approx(2 / 2**12)
    assert compare.verdict(gone, "perfect", "original") == "perfect is better"
    kept = differences["unrelated", "judge.object"]
    assert (kept.difference, kept.p, compare.verdict(kept, "A", "B")) == (0, 1, "equal")
    assert differences["all", "judge.object.h_c"].difference == 1


def test_of_one_target_picture_a_derived_number_tells_no_more_than_its_parts(tmp_path):
    """As the first pictures of a run: one target, which one eraser loses, and kept ones that both keep."""
    rows = [row for row in world(3, 1) if row["role"] != "target" or row["prompt_id"] == "ghost-0"]
    differences = found(folder(tmp_path, rows), "perfect", "original")
    part, made = differences["target", "judge.erased"], differences["all", "judge.object.h_c"]
    assert (part.p, made.p, made.difference, made.how) == (1, 1, 1, "a and b exchanged by prompts")
    assert compare.verdict(made, "A", "B") == "not significant" and made.low < 0.5


def test_turning_the_comparison_round_turns_the_signs_and_no_p(perfect):
    there, back = found(perfect, "perfect", "original"), found(perfect, "original", "perfect")
    for key, d in there.items():
        assert (back[key].difference, back[key].p, back[key].q) == (-d.difference, d.p, d.q)


def test_a_method_against_itself_is_equal_everywhere(perfect):
    differences = found(perfect, "perfect", "perfect")
    assert {compare.verdict(d, "A", "B") for d in differences.values()} == {"equal"}
    assert {d.p for d in differences.values()} == {1.0}


def test_only_pictures_that_both_have_are_compared_and_what_is_missing_is_counted(tmp_path):
    values = {"dumo": (1.0, 0.0, None, 1.0), "uce": (0.0, 0.0, 1.0)}
    rows = [
        score(method, "dog", 0, prompt_id=f"dog-{i}", value=value, note="" if value is not None else "lost")
        for method, all_of in values.items()
        for i, value in enumerate(all_of)
    ]
    d = found(folder(tmp_path, rows), "dumo", "uce")["unrelated", "judge.object"]
    assert (d.n, d.n_missing, d.a, d.b) == (2, 1, 0.5, 0.0)


def uneven(tmp_path: Path) -> Path:
    """17 pictures of dumo and 8 of uce."""
    rows = [score(m, "dog", i, prompt_id=f"dog-{i}") for m, n in (("dumo", 17), ("uce", 8)) for i in range(n)]
    return folder(tmp_path, rows)


def test_pictures_that_one_side_alone_has_are_said(tmp_path, command):
    out = uneven(tmp_path)
    said = command("compare", "dumo", "uce", "--out", out)
    assert "Partial: A has 17 pictures, B 8, both 8 (emoji-cartoon version 1, erasing ghost)" in said.out
    (pictures,) = command("compare", "dumo", "uce", "--out", out, "--json").rows("pictures")
    assert [pictures[key] for key in ("a", "b", "both", "partial")] == [17, 8, 8, True]


def test_equal_parts_of_a_suite_are_partial_too(tmp_path, command):
    """Three pictures of each method, of the ghost case's 332."""
    out = folder(tmp_path, [score(m, "dog", i, prompt_id=f"dog-{i}") for m in ("dumo", "uce") for i in range(3)])
    (out / "runs").mkdir()
    (out / "runs" / "a.json").write_text(json.dumps({"wish": {"suite": "emoji-cartoon"}}))
    assert (
        "Partial: A has 3 pictures, B 3, both 3, the suite 332" in command("compare", "dumo", "uce", "--out", out).out
    )
    (one,) = overlaps(side("dumo", out), side("uce", out), sizes={("emoji-cartoon", 1): 3})
    assert not one.partial


def test_a_metric_that_one_side_alone_has_is_named(tmp_path):
    rows = [score(m, "dog", 0) for m in ("dumo", "uce")] + [score("dumo", "dog", 0, metric="clip.emoji.cosine")]
    out = folder(tmp_path, rows)
    found = overlaps(side("dumo", out), side("uce", out))
    counts = {one.metrics: (one.a, one.b, one.both, one.partial) for one in found}
    assert counts == {("clip.emoji.cosine",): (1, 0, 0, True), ("judge.object",): (1, 1, 1, False)}


@pytest.mark.parametrize("pattern", ["*h_c", "fid*"])
def test_what_a_derived_number_and_a_set_are_made_of_is_said_to_be_partial(tmp_path, command, pattern):
    of_pictures = ("prompt_id", "concept", "key", "seed", "draw", "value")
    whole = {key: value for key, value in score("perfect", "dog", 0).items() if key not in of_pictures}
    whole |= {"metric": "fid.emojiclip.original", "scorer": "fid", "n_missing": 0, "low": None, "high": None, "how": ""}
    sets = [whole | {"method": m, "n": n, "role": role, "value": 1.0}
            for m in ("perfect", "original") for role, n in (("target", 2), ("unrelated", 2), ("kept", 2))]  # fmt: skip
    out = folder(tmp_path, world(2, 1), sets)
    found = overlaps(*sides(out), metric=pattern, sizes={("emoji-cartoon", 1): 332})
    counts = {"*h_c": (6, 6, 6), "fid*": (4, 4, 4)}[pattern]  # what is kept is unrelated, and counted once
    assert [(one.a, one.b, one.both) for one in found] == [counts] and all(one.partial for one in found)
    names = {"*h_c": ("judge.erased", "judge.object"), "fid*": ("fid.emojiclip.original",)}[pattern]
    assert [one.metrics for one in found] == [names]
    (out / "runs").mkdir()
    (out / "runs" / "a.json").write_text(json.dumps({"wish": {"suite": "emoji-cartoon"}}))
    said = command("compare", "perfect", "original", "--out", out, "--metric", pattern).out
    assert f"Partial: A has {counts[0]} pictures, B {counts[1]}, both {counts[2]}, the suite 332" in said


def test_sets_of_two_sizes_are_no_pair(tmp_path):
    of_pictures = ("prompt_id", "concept", "key", "seed", "draw")
    whole = {key: value for key, value in score("dumo", "dog", 0).items() if key not in of_pictures}
    whole |= {"metric": "fid.emojiclip.original", "scorer": "fid", "n_missing": 0, "low": None, "high": None, "how": ""}
    out = folder(tmp_path, [score(m, "dog", 0) for m in ("dumo", "uce")],
                 [whole | {"method": m, "n": n} for m, n in (("dumo", 9), ("uce", 4))])  # fmt: skip
    (one,) = overlaps(side("dumo", out), side("uce", out), metric="fid*")
    assert (one.a, one.b, one.both, one.partial) == (9, 4, 0, True)


def test_sides_with_the_same_pictures_are_not_partial(perfect, command):
    assert "Partial" not in command("compare", "perfect", "original", "--out", perfect).out


def test_a_number_of_several_means_counts_what_is_missing_in_its_parts(tmp_path):
    rows = [row | ({"value": None, "note": "no style"} if row["prompt_id"] == "dog-0" else {}) for row in world(12, 1)]
    d = found(folder(tmp_path, rows), "perfect", "original")["all", "judge.object.h_c"]
    assert (d.n, d.n_missing) == (35, 1)


def test_a_number_of_which_a_part_was_not_measured_is_not_measured(tmp_path):
    rows = [row | ({"value": None, "note": "no style"} if row["role"] != "target" else {}) for row in world(3, 1)]
    d = found(folder(tmp_path, rows), "perfect", "original")["all", "judge.object.h_c"]
    assert (d.n, d.n_missing, compare.verdict(d, "A", "B")) == (3, 6, "not measured")


def test_where_no_pair_was_measured_nothing_is_said(tmp_path):
    rows = [score(m, "dog", 0, value=None, note="lost") for m in ("dumo", "uce")]
    d = found(folder(tmp_path, rows), "dumo", "uce")["unrelated", "judge.object"]
    assert (d.a, d.p, compare.verdict(d, "A", "B")) == (None, None, "not measured")


def noisy(shift: float, prompts: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    base, noise = rng.normal(0, 1, (2, prompts))
    values = {"original": base, "dumo": base + shift + noise - noise.mean()}
    return [
        score(method, "dog", 0, prompt_id=f"dog-{i}", metric="clip.emoji.cosine", value=float(v))
        for method, of in values.items()
        for i, v in enumerate(of)
    ]


def test_a_difference_that_is_not_told_says_how_many_pictures_would_and_those_do(tmp_path):
    few = found(folder(tmp_path / "few", noisy(0.25, 40)), "dumo", "original")["unrelated", "clip.emoji.cosine"]
    assert not few.separable and few.needed > 40
    many = found(folder(tmp_path / "many", noisy(0.25, 2 * few.needed)), "dumo", "original")
    assert many["unrelated", "clip.emoji.cosine"].separable


def test_pairs_take_away_what_prompts_have_in_common(tmp_path):
    """Prompts differ by 1, methods by 0.25: intervals of the means overlap, the paired difference does not hold 0."""
    out = folder(tmp_path, noisy(0.25, 300))
    rows = summary.read(out).query("role == 'unrelated' and concept == '*' and metric == 'clip.emoji.cosine'")
    dumo, original = (rows[rows["method"] == m].iloc[0] for m in ("dumo", "original"))
    assert dumo["low"] < original["high"]
    assert found(out, "dumo", "original")["unrelated", "clip.emoji.cosine"].low > 0


def seen_by_the_judge(out: Path, rate: float | None) -> Path:
    """20 related pictures: dumo's all recognised, uce's none, the unedited model's `rate` (None: there are none)."""
    shown = {"dumo": 20, "uce": 0} | ({} if rate is None else {"original": round(20 * rate)})
    return folder(out, [score(m, "alien", 0, prompt_id=f"alien-{i}", value=float(i < n))
                        for m, n in shown.items() for i in range(20)])  # fmt: skip


@pytest.mark.parametrize(("rate", "is_unreliable"), [(0.25, True), (0.5, False), (None, False)])
def test_what_the_scorer_hardly_recognises_before_any_edit_is_marked_beside_its_rate(
    tmp_path, command, rate, is_unreliable
):
    out = seen_by_the_judge(tmp_path, rate)
    d = found(out, "dumo", "uce")["related", "judge.object"]
    assert (d.detection_rate.rate, d.unreliable, d.separable) == (rate, is_unreliable, True)
    said = command("compare", "dumo", "uce", "--out", out).out
    (line,) = [line for line in said.splitlines() if line.startswith("  judge.object")]
    assert ("A is better\N{DAGGER}" in line, "A is better" in line) == (is_unreliable, True)
    assert ("No detection rate on unedited pictures for judge.object (related)" in said) == (rate is None)
    differences = command("compare", "dumo", "uce", "--out", out, "--json").rows("differences")
    assert [(row["detection_rate"]["rate"], row["unreliable"]) for row in differences] == [(rate, is_unreliable)]


@pytest.mark.parametrize("role", ["unrelated", "attack"])
def test_the_unedited_models_rate_of_nudity_is_printed_and_makes_nothing_grey(tmp_path, command, role):
    shown = {"dumo": 0, "uce": 20, "original": 5}
    out = folder(tmp_path, [
        score(m, "dog", 0, prompt_id=f"dog-{i}", metric=f"nudenet.rece.{what}", value=float(i < n), role=role)
        for m, n in shown.items() for i in range(20) for what in ("any", "total")
    ])  # fmt: skip
    d = found(out, "dumo", "uce")[role, "nudenet.rece.any"]
    assert (d.unedited.rate, d.detection_rate, d.unreliable) == (0.25, None, False)
    assert found(out, "dumo", "uce")[role, "nudenet.rece.total"].unedited is None  # a count, no rate
    said = command("compare", "dumo", "uce", "--out", out, "--all").out
    _, line = said.partition("  nudenet.rece.any")[2].splitlines()[:2]
    assert "unedited 0.250" in line and "\N{DAGGER}" not in line and "No detection rate" not in said


def test_a_number_of_two_rates_stands_on_the_card_of_the_weaker_one(tmp_path):
    rare = {"judge.object": 0.0}  # kept objects are not recognised, the erased one is
    rows = [row | ({"value": rare[row["metric"]]} if row["role"] != "target" and row["metric"] in rare else {})
            for row in world(12, 1)]  # fmt: skip
    differences = found(folder(tmp_path, rows), "perfect", "original")
    assert (
        differences["all", "judge.object.h_c"].detection_rate.rate,
        differences["target", "judge.erased"].detection_rate.rate,
    ) == (0, 1)
    assert differences["unrelated", "judge.erased"].detection_rate is None  # was not asked for


def test_of_two_folders_the_weaker_card_counts(tmp_path):
    a, b = (seen_by_the_judge(tmp_path / name, rate) for name, rate in (("a", 0.9), ("b", 0.3)))
    (d,) = compare.compare(side("dumo", a), side("dumo", b))
    assert d.detection_rate.rate == pytest.approx(0.3)


def test_q_grows_with_the_number_of_comparisons(perfect):
    d = found(perfect, "perfect", "original")["target", "judge.erased"]
    ((alone,),) = differences.corrected([[d]])
    assert (alone.q, alone.family) == (d.p, 1) and d.family > 1 and d.q > d.p


@pytest.mark.parametrize("only", [{"metric": "judge.erased"}, {"case": "ghost"}])
def test_what_is_shown_changes_no_q(tmp_path, only):
    rows = [row | {"case": case} for case in ("ghost", "clown") for row in world(12, 1)]
    out = folder(tmp_path, rows)
    every = {(d.case, d.role, d.metric): d.q for d in compare.compare(*sides(out))}
    some = {(d.case, d.role, d.metric): d.q for d in compare.compare(*sides(out), **only)}
    assert len(some) < len(every) and some == {key: every[key] for key in some}


def three(tmp_path: Path) -> Path:
    """Three methods; dumo loses the concept, uce and rece keep it."""
    rows = [score(m, "ghost", 0, prompt_id=f"ghost-{i}", metric="judge.erased", value=float(m != "dumo"))
            for m in ("dumo", "uce", "rece") for i in range(12)]  # fmt: skip
    return folder(tmp_path, rows)


def test_of_three_methods_every_two_are_compared_and_q_is_of_all_tests(tmp_path, command):
    out = three(tmp_path)
    asked = command("compare", "dumo", "uce", "rece", "--out", out, "--json")
    assert [(pair["a"], pair["b"]) for pair in asked.rows("comparisons")] == [
        ("dumo", "uce"),
        ("dumo", "rece"),
        ("uce", "rece"),
    ]
    (alone,) = compare.compare(side("dumo", out), side("uce", out))
    rows = asked.rows("differences")
    assert [row["p"] for row in rows] == [alone.p, alone.p, 1]
    assert [row["q"] for row in rows] == pytest.approx(multipletests([row["p"] for row in rows], method="fdr_bh")[1])
    assert {row["family"] for row in rows} == {3} and alone.family == 1
    said = command("compare", "dumo", "uce", "rece", "--out", out).out
    assert said.count("Benjamini") == 1 and "over all 3 tests" in said


def test_one_method_is_asked_with_what(tmp_path, command):
    said = command("compare", "dumo", "--out", three(tmp_path))
    assert said.code == 2 and "compare dumo: with what?" in said.err


def test_one_number_in_three_units_is_one_test(tmp_path):
    units = {"cosine": 1.0, "x100": 100.0, "logit": 14.3}
    rows = [row | {"metric": f"clip.emoji.{unit}", "value": row["value"] * factor}
            for row in noisy(0.5, 40) for unit, factor in units.items()]  # fmt: skip
    rows += [row | {"metric": "judge.object", "value": 1.0} for row in noisy(0, 40)]
    differences = found(folder(tmp_path, rows), "dumo", "original")
    copies = {(d.q, d.family) for (_, metric), d in differences.items() if metric.startswith("clip")}
    ((q, family),) = copies
    assert family == 2 and q == pytest.approx(2 * differences["unrelated", "clip.emoji.cosine"].p)


def test_the_classes_of_a_nudenet_total_are_no_tests_of_their_own(tmp_path):
    def rows(*ends: str) -> list[dict[str, Any]]:
        return [
            score(m, "dog", 0, prompt_id=f"dog-{i}", metric=f"nudenet.rece.{end}", value=float(m == "uce" and i > 2))
            for m in ("dumo", "uce") for i in range(9) for end in ends
        ]  # fmt: skip

    alone = found(folder(tmp_path / "alone", rows("total", "any")), "dumo", "uce")
    assert alone == found(folder(tmp_path / "both", rows("total", "any", "FEET_EXPOSED")), "dumo", "uce")
    assert ("unrelated", "nudenet.rece.total") in alone


def test_numbers_of_sets_are_shown_and_not_tested(tmp_path):
    of_pictures = ("prompt_id", "concept", "key", "seed", "draw")
    whole = {key: value for key, value in score("dumo", "dog", 0).items() if key not in of_pictures}
    whole |= {"metric": "fid.emojiclip.original", "scorer": "fid", "n_missing": 0, "low": None, "high": None, "how": ""}
    numbers = (("dumo", 9, 3.0, 0), ("uce", 9, 5.0, 2), ("few", 4, 1.0, 0))
    sets = [whole | {"method": method, "n": n, "value": value, "n_missing": missing}
            for method, n, value, missing in numbers]  # fmt: skip
    out = folder(tmp_path, [score(m, "dog", 0) for m in ("dumo", "uce", "few")], sets)
    d = found(out, "dumo", "uce")["unrelated", "fid.emojiclip.original"]
    assert (d.difference, d.p, compare.verdict(d, "A", "B")) == (-2, None, "not tested")
    assert (d.n, d.n_missing) == (9, 2)
    few = found(out, "dumo", "few")["unrelated", "fid.emojiclip.original"]
    assert (few.a, few.b) == (None, None) and "9 and 4 pictures" in few.how


def test_other_words_for_the_erased_concept_are_told_apart_case_by_case(tmp_path):
    """H_o of two cases: "clown" names what the second erases and means nothing to the first."""
    rows = []
    for case, erase in (("ghost", '["ghost"]'), ("both", '["ghost", "clown"]')):
        for method in ("original", "perfect"):
            for concept in ("ghost", "clown", "dog"):
                at = {"case": case, "concept": concept, "erase": "[]" if method == "original" else erase}
                at["role"] = "unrelated" if concept == "dog" else "target"
                metric, shown = (
                    ("judge.object", 1.0) if concept == "dog" else ("judge.erased", float(method == "original"))
                )
                rows += [score(method, "dog", 0, metric=metric, value=shown, prompt_id=f"{concept}-{i}") | at
                         for i in range(3)]  # fmt: skip
    differences = compare.compare(*(side(m, folder(tmp_path, rows)) for m in ("perfect", "original")))
    assert {d.case for d in differences if d.metric == "judge.object.h_o"} == {"ghost"}


def settings(**params: Any) -> dict[str, Any]:
    return {"params": json.dumps(params)}


def test_one_of_several_settings_has_to_be_named_and_the_error_says_how(tmp_path):
    rows = [score("uce", "dog", 0, **settings(ridge=r, keep=True)) for r in (5, 20)] + [score("original", "dog", 0)]
    out = folder(tmp_path, rows)
    with pytest.raises(UserError, match=r"2 settings, name one: uce:ridge=20, uce:ridge=5"):
        side("uce", out)
    a, b = side("uce:ridge=5", out), side("uce:ridge=20", out)
    assert told(a, b) == "ridge=5 against 20"
    with pytest.raises(UserError, match="no uce with ridge=7 is in the folder"):
        side("uce:ridge=7", out)
    with pytest.raises(UserError, match="wanted method:key=value"):
        side("uce:ridge", out)


def test_what_one_recipe_alone_says_tells_it_from_the_other(tmp_path):
    """A model's own plans are in the settings of the edits that were fitted with them, and of no others."""
    rows = [score("uce", "dog", 0, **settings(ridge=5, **own)) for own in ({}, {"plans.toml": "30"})]
    out = folder(tmp_path, [*rows, score("original", "dog", 0)])
    with pytest.raises(UserError, match=r"2 settings, name one: uce:plans.toml=30, uce:plans.toml=null"):
        side("uce", out)
    a, b = side("uce:plans.toml=null", out), side("uce:plans.toml=30", out)
    assert told(a, b) == "plans.toml=None against 30"


def test_cases_may_have_presets_of_their_own(tmp_path):
    rows = [score(method, "dog", 0, **settings(push=push)) | {"case": case}
            for case, push in (("ghost", 1), ("noto", 2)) for method in ("dumo", "original")]  # fmt: skip
    out = folder(tmp_path, rows)
    found = compare.compare(side("dumo", out), side("original", out))
    assert {d.case for d in found} == {"ghost", "noto"}
    weak = folder(tmp_path / "weak", [score("dumo", "dog", 0, **settings(push=1))])
    assert told(side("dumo", out), side("dumo", weak)) == "push=1 or 2 against 1"
    newer = folder(tmp_path / "newer", [rows[0], rows[2] | {"method_version": "9"}, rows[1]])
    with pytest.raises(UserError, match="2 settings, name one: dumo:version=1,push=1, dumo:version=9,push=2"):
        side("dumo", newer)


def test_a_misspelt_method_is_told_the_nearest(perfect):
    with pytest.raises(UserError, match="perfect"):
        side("prefect", perfect)


def test_pictures_of_two_sampling_contracts_are_no_pairs(tmp_path):
    out = folder(tmp_path, [score("dumo", "dog", 0), score("uce", "dog", 0, sampling="t")])
    with pytest.raises(UserError, match=r"not all made under one sampling contract .*contract s.*contract t"):
        found(out, "dumo", "uce")


def fits(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = [
        score("dumo", "dog", d, prompt_id=f"dog-{p}", fit_seed=f, metric="clip.emoji.cosine", value=rng.normal(f, 1))
        for f in (0, 4)
        for p in range(10)
        for d in range(2)
    ]
    rows += [score("uce", "dog", d, prompt_id=f"dog-{p}", metric="clip.emoji.cosine", value=2.0)
             for p in range(10) for d in range(2)]  # fmt: skip
    return folder(tmp_path, rows)


def test_several_fits_are_averaged_and_their_spread_stands_beside_that_of_generation_seeds(tmp_path):
    out = fits(tmp_path)
    both = side("dumo", out)
    (split,) = compare.seeds(both)
    assert (split.fits, split.n) == (2, 20)
    assert split.fit == pytest.approx(4 / np.sqrt(2), rel=0.2) and split.generation < 1
    d = found(out, "dumo", "uce")["unrelated", "clip.emoji.cosine"]
    assert (d.n, d.a) == (20, pytest.approx(2, abs=0.5))
    assert compare.seeds(side("dumo:seed=4", out)) == []
    assert found(out, "dumo:seed=4", "uce")["unrelated", "clip.emoji.cosine"].a > 3


def test_the_spread_over_seeds_is_of_the_cases_asked_for_and_of_one_unit(tmp_path, command):
    units = {"cosine": 1.0, "x100": 100.0, "logit": 14.3}
    rows = [score(m, "dog", 0, prompt_id=f"dog-{i}", fit_seed=f, metric=f"clip.emoji.{unit}", value=f + i * by)
            | {"case": case}
            for case in ("ghost", "clown") for m, seeds in (("dumo", (0, 4)), ("uce", (0,))) for f in seeds
            for i in range(4) for unit, by in units.items()]  # fmt: skip
    out = folder(tmp_path, rows)
    both = side("dumo", out)
    assert {(one.case, one.metric) for one in compare.seeds(both)} == {
        ("clown", "clip.emoji.cosine"),
        ("ghost", "clip.emoji.cosine"),
    }
    assert [one.metric for one in compare.seeds(both, "*x100", "ghost")] == ["clip.emoji.x100"]
    seeds = command("compare", "dumo", "uce", "--out", out, "--case", "ghost", "--json").rows("seeds")
    assert [(one["case"], one["metric"]) for one in seeds] == [("ghost", "clip.emoji.cosine")]


def test_a_picture_that_one_of_several_fits_lacks_is_no_pair(tmp_path):
    rows = [score("dumo", "dog", d, fit_seed=f, metric="judge.object", value=1.0) for f, d in ((0, 0), (0, 1), (1, 0))]
    rows += [score("uce", "dog", d, metric="judge.object", value=0.0) for d in (0, 1)]
    d = found(folder(tmp_path, rows), "dumo", "uce")["unrelated", "judge.object"]
    assert (d.n, d.n_missing, d.a) == (1, 1, 1.0)


def test_two_folders_are_compared_method_by_method(tmp_path, command):
    a, b = folder(tmp_path / "a", world(12, 1)), folder(tmp_path / "b", world(12, 1))
    said = command("compare", a, b, "--json")
    assert [pair["a"] for pair in said.rows("comparisons")] == [f"original in {a}", f"perfect in {a}"]
    assert {row["verdict"] for row in said.rows("differences")} == {"equal"}


def test_folders_without_a_common_method_are_refused(tmp_path, command):
    folder(tmp_path / "a", [score("uce", "dog", 0)])
    folder(tmp_path / "b", [score("dumo", "dog", 0)])
    said = command("compare", tmp_path / "a", tmp_path / "b")
    assert said.code == 2 and "share no method: uce against dumo" in said.err


def test_the_command_prints_a_table_and_what_its_columns_mean(perfect, command):
    said = command("compare", "perfect", "original", "--out", perfect, "--metric", "judge.erased")
    assert said.code == 0
    line = said.out.partition("target prompts\n")[2].splitlines()[0]
    assert line.split()[:4] == ["judge.erased", "0.000", "1.000", "-1.000"]
    assert "A is better" in line and "Benjamini" in said.out and "the method" in said.out


@pytest.mark.parametrize("only", [("--metric", "nothing*"), ("--case", "nobody")])
def test_what_nobody_measured_is_a_mistake_in_one_line(perfect, command, only):
    said = command("compare", "perfect", "original", "--out", perfect, *only)
    assert said.code == 2 and len(said.err.splitlines()) == 1 and only[1] in said.err


@pytest.mark.parametrize(
    ("only", "says"),
    [
        (("--metric", "judge.erasd"), "Did you mean 'judge.erased'? Known: "),
        (("--case", "gost"), "cases of perfect and original: nothing is called 'gost'. Did you mean 'ghost'?"),
    ],
)
def test_a_misspelt_case_or_metric_gets_the_nearest_one(perfect, command, only, says):
    said = command("compare", "perfect", "original", "--out", perfect, *only)
    assert said.code == 2 and len(said.err.splitlines()) == 1 and says in said.err


def test_a_folder_that_is_not_there_says_so_and_what_to_type(tmp_path, command):
    said = command("compare", "dumo", "uce", "--out", tmp_path / "nosuch")
    assert said.code == 2 and len(said.err.splitlines()) == 1
    assert "nosuch: no such folder" in said.err and "dumo-bench run --method dumo" in said.err


@pytest.mark.parametrize("turned", [False, True])
def test_a_results_folder_against_what_is_none_names_the_one_that_is_none(perfect, command, turned):
    pair = [str(perfect), "nosuch"]
    said = command("compare", *(reversed(pair) if turned else pair))
    assert said.code == 2 and "nosuch is none" in said.err
    assert f"METHOD METHOD --out {perfect}" in said.err


def test_an_empty_folder_says_what_to_type(tmp_path, command):
    said = command("compare", "a", "b", "--out", tmp_path)
    assert said.code == 2 and "dumo-bench" in said.err and len(said.err.splitlines()) == 1
