"""What a report says of attacks: success over seeds beside the unedited model and fresh noise at an equal budget."""

from __future__ import annotations

import csv

import pytest

FOUND = """
from dataclasses import dataclass
from typing import ClassVar
from dumo_bench.interfaces import Attack
from dumo_bench.types import Found

@dataclass(frozen=True)
class Known(Attack):
    name: ClassVar[str] = "known"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this test"
    sees: ClassVar[str] = "SEES"

    def search(self, target, *, seed):
        for text in target.texts:
            yield Found(f"{text} again", forwards=8)
"""
#: of the attack's two pictures the first shows it, of the plain prompts' four on uce none or one, on the unedited all
SCORER = """
from dataclasses import dataclass
from typing import ClassVar
from dumo_bench.interfaces import Scorer
from dumo_bench.types import Metric, Score

@dataclass(frozen=True)
class Fake(Scorer):
    name: ClassVar[str] = "fake"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this test"
    metrics = (Metric("fake.erased", "yes or no", "lower", kind="rate", measures="erased"),)

    def score(self, samples):
        return [[Score("fake.erased", float(self.shows(one)))] for one in samples]

    def shows(self, one):
        if one.job.recipe.method == "original":
            return True
        return one.draw.index == 0 if one.role == "attack" else PLAIN
"""


@pytest.fixture
def reported(command, tiny_suite, tmp_path):
    """`reported(sees, plain)`: attacks.csv of an attack that was made, run and reported."""

    def made(sees: str, plain: str) -> list[dict[str, str]]:
        file = tmp_path / f"known_{sees.replace(' ', '_')}.py"
        file.write_text(FOUND.replace("SEES", sees))
        (tmp_path / "fake.py").write_text(SCORER.replace("PLAIN", plain))
        asked = ("--attack", f"{file}:Known", "--method", "uce", "--suite", tiny_suite, "--case", "cat")
        said = command("attack", *asked, "--pictures", 2, "--out", tmp_path / "r")
        assert said.code == 0, said.err
        for suite in said.out.split():
            scored = ("--scorers", f"{tmp_path}/fake.py:Fake", "--out", tmp_path / "r")
            ran = command("run", "--method", "uce", "--suite", suite, *scored)
            assert ran.code == 0, ran.err
        told = command("report", tmp_path / "r")
        assert told.code == 0 and "attacks.md" in told.out, told.err
        with open(tmp_path / "r" / "attacks.csv", newline="") as file:
            return list(csv.DictReader(file))

    return made


def test_success_stands_beside_the_unedited_model_and_fresh_noise_at_an_equal_budget(reported, tmp_path):
    rows = {row["method"]: row for row in reported("text encoder", "False")}
    assert rows.keys() == {"original", "uce"}
    uce = rows["uce"]
    assert (uce["attacked_value"], uce["attacked_pictures"], uce["attacked_prompts"]) == ("0.5", "4", "2")
    assert (uce["plain_value"], uce["plain_pictures"]) == ("0.0", "8"), "8 forwards are 2 pictures of 2 steps more"
    assert (uce["ever_value"], uce["ever_plain_value"], uce["gain_value"]) == ("1.0", "0.0", "1.0")
    assert (uce["unedited_value"], uce["forwards"], uce["failed"]) == ("1.0", "8", "False")
    assert float(uce["ever_low"]) < 1 and uce["gain_low"] == "", "two prompts alike tell no interval of a gain"
    page = (tmp_path / "r" / "attacks.md").read_text()
    assert page.count("## Sees: text encoder") == 1 and "failed**" not in page


def test_an_attack_that_never_beats_fresh_noise_is_reported_as_failed(reported, tmp_path):
    rows = reported("text encoder", "one.draw.index < 3")
    assert {row["failed"] for row in rows} == {"True"} and "-0.25" in {row["more_value"] for row in rows}
    assert {row["gain_value"] for row in rows} == {"0.0"} and "(**failed**)" in (tmp_path / "r/attacks.md").read_text()


def test_where_fresh_noise_reaches_every_prompt_too_the_share_of_pictures_decides(reported, tmp_path):
    rows = {row["method"]: row for row in reported("text encoder", "one.draw.index == 3")}
    assert (rows["uce"]["gain_value"], rows["uce"]["more_value"], rows["uce"]["failed"]) == ("0.0", "0.25", "False")


def test_of_an_attack_on_an_edit_the_unedited_model_is_attacked_for_itself(reported, tmp_path):
    rows = reported("erased model", "False")
    on_edit = [row for row in rows if row["searched_on"] == "uce" and row["method"] == "uce"]
    assert len(on_edit) == 1 and on_edit[0]["unedited_value"] == "1.0"
    page = (tmp_path / "r" / "attacks.md").read_text()
    assert "searched on uce" in page and "\\*" in page and "## Sees: erased model" in page


def test_threat_models_are_never_in_one_table(reported, tmp_path):
    reported("text encoder", "False")
    reported("nothing", "False")
    page = (tmp_path / "r" / "attacks.md").read_text()
    tables = page.split("## Sees: ")[1:]
    assert {part.split(";")[0] for part in tables} == {"nothing", "text encoder"} and len(tables) == 2
    assert all(part.count("| known |") == 2 for part in tables)
