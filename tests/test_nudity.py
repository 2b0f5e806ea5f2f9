"""`dumo-bench nudenet` over stored boxes and over a folder of pictures: known counts through the real command."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import matplotlib
import pytest
import tiny_models
from PIL import Image

from dumo_bench import published
from dumo_bench.analysis import catalogue, nudity, summary
from dumo_bench.run.score import score
from dumo_bench.scorers.blank import Blank
from dumo_bench.scorers.nudenet import NudeNet
from dumo_bench.scorers.presets import RECE
from dumo_bench.storage import table
from dumo_bench.types import Detection

PORTRAIT = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
ABOUT = {"suite": "tiny", "suite_version": 1, "erases": "explicit", "edit": "", "sampling": "contract"}


@dataclass(frozen=True)
class Planted(NudeNet):
    """NudeNet with boxes that we know: in every picture but the first, and twice the same class."""

    name: ClassVar[str] = "nudenet"

    def detect(self, samples):
        boxes = [Detection("BELLY_EXPOSED", 0.7, 0, 0, 9, 9), Detection("BELLY_EXPOSED", 0.3, 20, 20, 9, 9)]
        return [[] if sample.prompt.id == "p0" else boxes for sample in samples]


@pytest.fixture
def results(tmp_path) -> Path:
    """Four pictures of a method, and the same ones of the original: two parts, with the same keys in both."""
    samples = tiny_models.samples(tmp_path / "pictures", 4)
    other = [replace(s, case=replace(s.case, name="other")) for s in samples]
    for some in (samples, other):
        score(some, [Planted()], tmp_path / "tables", ABOUT)
    return tmp_path


def asked(command, *argv) -> dict:
    said = command("nudenet", *argv, "--json")
    assert said.code == 0, said.err
    return json.loads(said.out)["tables"]


def test_stored_boxes_are_counted_once_for_each_case_without_the_pictures(command, results):
    shutil.rmtree(results / "pictures")
    found = asked(command, results, "--presets", "mace,spm,uda,library")
    assert [group["pictures"] for group in found["groups"]] == ["tiny, dog, fake, target", "tiny, other, fake, target"]
    for group in found["groups"]:
        presets = [row for row in found["presets"] if row["pictures"] == group["pictures"]]
        assert (group["n"], group["missing"]) == (4, 0)
        assert {row["preset"]: row["total"] for row in presets} == {
            "mace": 3,
            "spm": 3,
            "uda": 3,
            "library": 6,
        }
        assert {row["rate"] for row in presets} == {0.75}


def test_groups_that_differ_in_a_seed_a_version_or_a_contract_are_kept_apart_and_say_so(command, tmp_path):
    samples = tiny_models.samples(tmp_path / "pictures", 4)
    recipe = samples[0].job.recipe
    for changed in ({}, {"fit_seed": 7}, {"version": "9"}, {"model": "other"}):
        some = [replace(s, job=replace(s.job, recipe=replace(recipe, **changed))) for s in samples]
        score(some, [Planted()], tmp_path / "tables", ABOUT)
    for changed in ({"suite_version": 2}, {"sampling": "thin"}):
        score(samples, [Planted()], tmp_path / "tables", ABOUT | changed)
    found = [group["pictures"] for group in asked(command, tmp_path, "--presets", "library")["groups"]]
    assert len(found) == len(set(found)) == 6
    for tells in ("seed 7", "version 9", "model other", "suite version 2", "contract thin"):
        assert sum(tells in about for about in found) == 1


def test_two_contents_of_one_suite_are_counted_apart(command, tmp_path):
    samples = tiny_models.samples(tmp_path / "pictures", 4)
    for content in ("a1", "b2"):
        score(samples, [Planted()], tmp_path / "tables", ABOUT | {"content": content})
    groups = asked(command, tmp_path, "--presets", "library")["groups"]
    assert [group["n"] for group in groups] == [4, 4]
    assert all(f"(content {one})" in group["pictures"] for one, group in zip(("a1", "b2"), groups, strict=True))
    summary.write(tmp_path)
    kept = published.Results(tmp_path).looked_at
    assert sorted(kept["suite"]) == sorted([f"{ABOUT['suite']} (content {one})" for one in ("a1", "b2")] * 4)


def test_the_table_by_class_adds_up_to_the_total(command, results):
    said = command("nudenet", results, "--presets", "mace,receler,library", "--classes")
    tables, _, _ = said.out.partition("Boxes are of")  # what follows names classes in its notes
    lines = {words[0]: words[1:] for words in map(str.split, tables.splitlines()) if words}
    assert lines["class"] == ["mace", "receler", "library"]
    assert lines["BELLY_EXPOSED"] == lines["total"]
    assert lines["total"][::3] == ["3", "3", "6"] and lines["total"][1].startswith("[")  # "3 [0, 4]"
    assert lines["ANUS_EXPOSED"] == ["0", "-", "0"]  # receler does not look at it
    assert lines["FACE_FEMALE"] == ["-", "-", "0"]


def test_the_sweep_goes_from_a_fifth_to_four_fifths(command, results):
    sweep = asked(command, results, "--sweep")["sweep"][:13]
    assert [row["box"] for row in sweep] == [6, 6] + [3] * 8 + [0] * 3
    assert (sweep[0]["threshold"], sweep[-1]["threshold"]) == (0.2, 0.8)


def test_a_folder_of_pictures_is_looked_at_and_broken_ones_are_counted_apart(command, tmp_path):
    shutil.copy(PORTRAIT, tmp_path / "portrait.jpg")
    tiny_models.picture(tmp_path / "patches.png", 1)
    (tmp_path / "broken.png").write_text("no picture")
    found = asked(command, tmp_path, "--presets", "library")
    assert [(group["n"], group["missing"]) for group in found["groups"]] == [(2, 1)]
    assert [row["count"] for row in found["classes"] if row["class"] == "FACE_FEMALE"] == [1]


def test_what_of_a_folder_was_not_looked_at_is_named_whatever_it_is(command, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "black.PNG")
    Image.new("RGB", (64, 64)).save(tmp_path / "black.avif")
    (tmp_path / "to_nothing.png").symlink_to(tmp_path / "none.png")
    (tmp_path / "to_itself.png").symlink_to(tmp_path / "to_itself.png")
    (tmp_path / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "red\x1b[31m\nnot read: x.txt").touch()
    said = command("nudenet", tmp_path, "--presets", "rece")
    assert "2 pictures, 2 not readable, 2 of 2 blank" in said.out.replace("\n", " ")
    assert "2 pictures not read, 3 other files skipped, 2 of 2 pictures blank" in said.err
    for name in ("to_nothing.png: picture is missing", "to_itself.png: picture cannot be read"):
        assert f"not read: {tmp_path}/{name}" in said.err
    for name in ("folder", "pipe.png", "red\N{REPLACEMENT CHARACTER}[31m not read: x.txt"):
        assert f"skipped, not called a picture: {tmp_path}/{name}\n" in said.err


def test_blank_pictures_of_a_results_folder_are_counted_beside_its_boxes(command, tmp_path):
    samples = tiny_models.samples(tmp_path / "pictures", 3)
    Image.new("RGB", (64, 64)).save(samples[0].image)
    score(samples, [Planted()], tmp_path / "tables", ABOUT)
    assert "blank ones not counted (score with --scorers blank)" in command("nudenet", tmp_path).out
    score(samples, [Blank()], tmp_path / "tables", ABOUT)
    assert "3 pictures, 0 not readable, 1 of 3 blank" in command("nudenet", tmp_path).out
    assert asked(command, tmp_path)["groups"][0]["blank"] == [1, 3]


def test_the_table_says_what_each_preset_counts(command, results):
    said = command("nudenet", results)
    assert said.code == 0
    for name in ("esd", "spm", "mace", "rece", "receler", "uda", "eval-unlearn"):
        assert f"\n{name} " in said.out
    assert "classes a picture of 8 labels" in said.out
    assert "75.0% [" in said.out


def test_totals_and_rates_have_intervals_over_prompts(command, results):
    """Three of four pictures of a prompt each show one class twice: totals run from boxes to pictures."""
    row, _ = asked(command, results, "--presets", "library")["presets"]  # of two cases with the same pictures
    low, high = row["rate_interval"]
    assert 0 <= low < row["rate"] == 0.75 < high <= 1
    assert row["total_interval"] == pytest.approx([8 * low, 8 * high])  # two boxes a picture that has any
    none, _ = asked(command, results, "--presets", "mace-table")["presets"]
    assert none["total"] == 3 and none["total_interval"] is not None


def test_intervals_are_those_of_the_summary_in_presets_classes_and_sweep(command, results):
    """Where all are equal Wilson's belongs to a rate: numbers of boxes have no interval, here and in the report."""
    rece = RECE._replace(threshold=0.75)
    tables = asked(command, results, "--presets", "rece", "--sweep")
    row, last = tables["presets"][0], tables["sweep"][12]
    of_class = {one["class"]: one["interval"] for one in tables["classes"][: len(RECE.classes)]}
    scores = table.read(results / "tables", "scores")
    found = summary.make(scores, table.empty("sets"), catalogue.of_folder(results))
    mean = {r["metric"]: r for r in table.records(found) if (r["case"], r["concept"]) == ("dog", "*")}
    for metric, ends, n in (
        ("any", row["rate_interval"], 1),
        ("total", row["total_interval"], 4),
        ("BELLY_EXPOSED", of_class["BELLY_EXPOSED"], 4),
        ("ANUS_EXPOSED", of_class["ANUS_EXPOSED"], 4),
    ):
        one = mean[f"nudenet.rece.{metric}"]
        assert ends == (None if one["low"] is None else [n * one["low"], n * one["high"]])
    assert of_class["ANUS_EXPOSED"] is None
    low, high = last["rate_interval"]
    assert (last["rate"], low) == (0, 0) and 0 < high < 1
    assert nudity.intervals(nudity.stored(results, "BGR", {})[0], rece)["total"] is None
    assert "0.0% [0.0%" in command("nudenet", results, "--presets", "rece", "--sweep").out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("gone",), "no such folder"),
        ((".",), "neither tables of a results folder nor pictures"),
        ((".", "--presets", "rcee"), "Did you mean 'rece'?"),
    ],
)
def test_a_mistake_is_one_line(command, argv, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = command("nudenet", *argv)
    assert (said.code, says in said.err, said.err.count("\n")) == (2, True, 1)


def test_boxes_of_the_other_channel_order_are_asked_for_by_name(command, results):
    said = command("nudenet", results, "--order", "RGB")
    assert said.code == 2
    assert "--scorers nudenet@RGB" in said.err


def test_a_part_of_a_suite_is_called_one(command, tmp_path):
    """Four of the ghost case's 332 pictures, in two roles, and all of them in a case of a suite that is gone."""
    pictures = tiny_models.samples(tmp_path / "pictures", 4)
    some = [
        replace(s, role=role) for s, role in zip(pictures, ("target", "target", "related", "unrelated"), strict=True)
    ]
    for suite in ("emoji-cartoon", "gone"):
        score(some, [Planted()], tmp_path / "tables", ABOUT | {"suite": suite})
    (tmp_path / "runs").mkdir()
    for suite in ("emoji-cartoon", "gone"):
        (tmp_path / "runs" / f"{suite}.json").write_text(json.dumps({"wish": {"suite": suite}}))
    found = asked(command, tmp_path, "--presets", "library")["groups"]
    assert {(g["pictures"].split(",")[0], g["n"], g["partial"]) for g in found} == {
        ("emoji-cartoon", 2, "4 of 332"),
        ("emoji-cartoon", 1, "4 of 332"),
        ("gone", 2, ""),
        ("gone", 1, ""),
    }
    assert "; partial: 4 of 332 pictures of the case" in command("nudenet", tmp_path).out
