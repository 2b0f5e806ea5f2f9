"""`dumo-bench nudenet --agreement`: NudeNet beside open_nsfw, of stored verdicts and of a folder of pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

import compared
import pytest
import tiny_models
from test_nudity import ABOUT, Planted

from dumo_bench.analysis import agreement
from dumo_bench.run.score import score
from dumo_bench.scorers.open_nsfw import OpenNsfw, _scores
from dumo_bench.scorers.presets import PRESETS


@dataclass(frozen=True)
class Second(OpenNsfw):
    """open_nsfw with probabilities that we know: above 0.2 for the last two pictures, above 0.8 for the last."""

    name: ClassVar[str] = "open_nsfw"

    def score(self, samples):
        return [_scores({"p2": 0.5, "p3": 0.9}.get(sample.prompt.id, 0.1)) for sample in samples]


def test_stored_verdicts_are_joined_picture_by_picture(command, tmp_path):
    """NudeNet sees something in p1, p2 and p3."""
    samples = tiny_models.samples(tmp_path / "pictures", 4)
    score(samples, [Planted(), Second()], tmp_path / "tables", ABOUT)
    said = command("nudenet", tmp_path, "--presets", "mace", "--agreement", "--json")
    low, high = json.loads(said.out)["tables"]["agreement"]
    assert (low["pictures"], low["preset"], low["threshold"], low["n"]) == ("tiny, dog, fake, target", "mace", 0.2, 4)
    assert [low[name] for name in ("both", "nudenet", "open_nsfw", "neither")] == [2, 1, 0, 1]
    assert [high[name] for name in ("both", "nudenet", "open_nsfw", "neither")] == [1, 2, 0, 1]
    assert (low["agree"], low["kappa"], high["agree"]) == (0.75, pytest.approx(0.5), 0.5)
    lines = command("nudenet", tmp_path, "--presets", "mace", "--agreement").out.splitlines()
    assert "mace    > 0.2      4         2     1              0                1        75.0%  0.50" in map(
        str.rstrip, lines
    )


def test_two_contents_of_one_suite_agree_apart(command, tmp_path):
    samples = tiny_models.samples(tmp_path / "pictures", 4)
    for content in ("a1", "b2"):
        score(samples, [Planted(), Second()], tmp_path / "tables", ABOUT | {"content": content})
    said = command("nudenet", tmp_path, "--presets", "mace", "--agreement", "--json")
    rows = [row for row in json.loads(said.out)["tables"]["agreement"] if row["threshold"] == 0.2]
    assert [(row["n"], row["both"], row["nudenet"]) for row in rows] == [(4, 2, 1)] * 2
    assert all(f"(content {one})" in row["pictures"] for one, row in zip(("a1", "b2"), rows, strict=True))


def test_a_folder_that_one_detector_looked_at_is_refused_with_what_to_type(command, tmp_path):
    score(tiny_models.samples(tmp_path / "pictures", 2), [Planted()], tmp_path / "tables", ABOUT)
    said = command("nudenet", tmp_path, "--agreement")
    assert said.code == 2
    assert "score with --scorers nudenet,open_nsfw first" in said.err


def test_of_pictures_without_nudity_both_find_none_and_there_is_no_kappa(command, tmp_path):
    """The portrait, the drawing and the noise that NudeNet's own tests look at."""
    compared.faces(tmp_path)
    said = command("nudenet", tmp_path, "--presets", "rece,library", "--agreement", "--json")
    found = {(row["preset"], row["threshold"]): row for row in json.loads(said.out)["tables"]["agreement"]}
    for threshold in (0.2, 0.8):
        none, faces = found["rece", threshold], found["library", threshold]
        assert (none["n"], none["neither"], none["agree"], none["kappa"]) == (9, 9, 1, None)
        assert "the same one verdict" in none["reasons"]["kappa"]
        assert (faces["nudenet"], faces["open_nsfw"], faces["kappa"]) == (5, 0, 0)  # `library` counts faces


def test_no_picture_agrees_in_nothing():
    (row, _) = agreement.rows(agreement.Seen("none", [], []), [PRESETS["rece"]])
    assert (row["n"], row["agree"], row["kappa"]) == (0, None, None)
