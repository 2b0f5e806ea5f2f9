"""`diff`: which setting, which pictures and which scores differ, and that the one explains the others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dumo_bench.analysis import diff
from dumo_bench.analysis.diff import Known
from dumo_bench.storage import table

SMALL = Path(__file__).parents[1] / "results" / "emoji-small"
FAKES = Path(__file__).parent / "fakes.py"


@pytest.fixture(scope="module")
def scores() -> pd.DataFrame:
    found = table.read(SMALL / "tables", "scores")
    return found[found["method"] == "uce"].reset_index(drop=True)


def test_two_equal_sides_have_no_difference(scores):
    found = diff.diff(scores, scores.copy())
    assert (found.settings, found.changes) == ((), ())
    assert all((one.changed, one.other_file, one.only_a, one.only_b) == (0, 0, 0, 0) for one in found.pictures)
    assert sum(one.same for one in found.pictures) == scores["key"].nunique()
    assert all(one.changed == 0 and one.a == one.b for one in found.scores)


def test_a_setting_that_changed_explains_the_pictures_and_they_the_scores(scores):
    params = json.loads(scores["params"][0])
    other = scores.assign(
        params=json.dumps(params | {"ridge": 50}), key=scores["key"] + "x",
        value=scores["value"].where(scores["metric"] != "judge.erased", 1.0),
    )  # fmt: skip
    found = diff.diff(scores, other)
    assert [(one.of, one.name, one.a, one.b) for one in found.settings] == [
        ("method", "ridge", json.dumps(params["ridge"]), "50")
    ]
    (pictures,) = found.pictures
    assert (pictures.same, pictures.changed) == (0, scores["key"].nunique())
    assert pictures.explained == f"ridge {json.dumps(params['ridge'])} -> 50"
    moved = [one for one in found.scores if one.changed]
    assert {(one.metric, one.explained) for one in moved} == {("judge.erased", "the pictures")}
    assert sum(one.changed for one in moved) == len(found.changes)
    assert all((one.a, one.b, one.same_picture) == (0.0, 1.0, False) for one in found.changes)


def test_a_scorers_new_version_explains_scores_of_the_same_pictures(scores):
    mine = scores["scorer"] == "concept"
    other = scores.assign(
        scorer_version=scores["scorer_version"].where(~mine, "2"),
        value=scores["value"].where(~(mine & (scores["metric"] == "judge.object")), 0.5),
    )
    found = diff.diff(scores, other)
    assert [(one.of, one.name, one.b) for one in found.settings] == [("scorer", "concept", "2")]
    assert all(one.explained == "" and one.changed == 0 for one in found.pictures)
    (why,) = {one.explained for one in found.scores if one.changed}
    assert why.startswith("concept ") and why.endswith("-> 2")
    assert all(one.same_picture for one in found.changes)


def test_what_differs_although_nothing_was_set_otherwise_is_said_so(scores):
    other = scores.assign(value=scores["value"].where(scores["metric"] != "judge.erased_p", 0.5))
    keys = scores["key"].unique()
    hashes = [{key: {side + key} for key in keys[:3]} for side in "ab"]
    found = diff.diff(scores, other, (Known(hashes=hashes[0]), Known(hashes=hashes[1])))
    (pictures,) = found.pictures
    assert (pictures.same, pictures.changed, pictures.other_file) == (len(keys) - 3, 0, 3)
    assert pictures.explained == diff.NOTHING
    assert {one.explained for one in found.scores if one.changed} == {diff.NOTHING}
    libraries = (
        Known(hashes=hashes[0], libraries={"torch": "2.4"}),
        Known(hashes=hashes[1], libraries={"torch": "2.5"}),
    )
    (pictures,) = diff.diff(scores, other, libraries).pictures
    assert pictures.explained == "torch 2.4 -> 2.5"


def test_a_contract_is_told_by_its_fields_and_a_null_that_was_measured_counts(scores):
    keys = scores["sampling"][0], "0" * 12
    contracts = ({keys[0]: {"steps": 20, "guidance": 2.5}}, {keys[1]: {"steps": 25, "guidance": 2.5}})
    row = scores.index[scores["value"].notna()][0]
    other = scores.assign(sampling=keys[1], key=scores["key"] + "x")
    other.loc[row, "value"] = None
    found = diff.diff(scores, other, (Known(contracts[0]), Known(contracts[1])))
    assert [(one.of, str(one)) for one in found.settings] == [("contract", "steps 20 -> 25")]
    assert [one.b for one in found.changes] == [None]


def test_pictures_of_one_side_alone_are_counted_and_are_no_change(scores):
    prompt = scores["prompt_id"].unique()[0]
    found = diff.diff(scores, scores[scores["prompt_id"] != prompt])
    (pictures,) = found.pictures
    assert pictures.only_a == scores[scores["prompt_id"] == prompt]["key"].nunique() and pictures.only_b == 0
    assert found.changes == ()


def test_two_methods_differ_in_the_method_and_not_in_each_others_settings(scores):
    other = scores.assign(method="rece", params='{"start_ridge":1}', method_version="9", key=scores["key"] + "x")
    assert [str(one) for one in diff.diff(scores, other).settings] == ["method uce -> rece"]


def test_the_command_tells_settings_seeds_and_folders_apart(command, tiny_suite, tmp_path):
    run = ("run", "-m", f"{FAKES}:Scaled", "-s", tiny_suite, "--scorers", f"{FAKES}:Brightness", "-o", tmp_path / "out")
    for factor in (0.25, 40):
        assert command(*run, "--set", f"factor={factor}").code == 0
    said = command("diff", "scaled:factor=0.25", "scaled:factor=40", "-o", tmp_path / "out", "--json")
    assert [(row["name"], row["a"], row["b"]) for row in said.rows("settings")] == [("factor", "0.25", "40.0")]
    (pictures,) = said.rows("pictures")
    assert (pictures["changed"], pictures["explained"]) == (6, "factor 0.25 -> 40.0")
    text = command("diff", "scaled:factor=0.25", "scaled:factor=40", "-o", tmp_path / "out").out
    assert "settings that differ" in text and "factor" in text
    shutil.copytree(SMALL, tmp_path / "small")
    same = command("diff", SMALL, tmp_path / "small")
    assert same.code == 0 and "the same settings, pictures and scores" in same.out
    half = command("diff", SMALL, "uce")
    assert half.code == 2 and "give two, or two methods" in half.err
    mixed = command("diff", "scaled", "original", "-o", tmp_path / "out")
    assert mixed.code == 2 and "is there in 2 settings, name one" in mixed.err
