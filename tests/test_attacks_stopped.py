"""A search that is stopped goes on behind what it found, and ends with what it finds when it is not stopped."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
import test_every_attack
import tiny
import torch

from dumo_bench.plugins import loading
from dumo_bench.run import searched
from dumo_bench.storage import garbage, references, statistics, verify
from dumo_bench.storage.store import Store
from dumo_bench.types import Found, Start

RESUMING = [name for name in loading.names("attacks") if loading.load("attacks", name).resumes]
#: it stops at the text whose number is in the file, and writes down which it was asked for
FRAGILE = """
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
import torch
from dumo_bench.interfaces import Attack
from dumo_bench.types import Found, Start

@dataclass(frozen=True)
class Fragile(Attack):
    name: ClassVar[str] = "fragile"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this test"
    sees: ClassVar[str] = "nothing"
    resumes: ClassVar[bool] = True

    def search(self, target, *, seed):
        for number, text in target.ahead:
            if number == int(Path(FOLDER, "stop").read_text()):
                raise KeyboardInterrupt
            with open(Path(FOLDER, "asked"), "a") as asked:
                asked.write(f"{number}\\n")
            latents = torch.full((target.pictures, 4, 8, 8), float(number))
            yield Found(f"{text} again", {"missed": number / 3}, 2, 8, start=Start(latents=latents))
"""


@pytest.fixture
def attack(command, tiny_suite, tmp_path):
    """`attack("r", stop=1)`: into a folder, stopped at this text, -1: at none. What was asked for, and said."""
    (tmp_path / "fragile.py").write_text(FRAGILE.replace("FOLDER", repr(str(tmp_path))))

    def run(out: str, stop: int = -1, more: str = ""):
        (tmp_path / "fragile.py").write_text(FRAGILE.replace("FOLDER", repr(str(tmp_path))) + more)
        (tmp_path / "stop").write_text(str(stop))
        (tmp_path / "asked").write_text("")
        asked = ("--attack", f"{tmp_path}/fragile.py:Fragile", "--suite", tiny_suite, "--case", "cat")
        said = command("attack", *asked, "--out", tmp_path / out)
        return (tmp_path / "asked").read_text().split(), said

    return run


def found(folder) -> list[dict[str, str]]:
    """The rows of the only suite in a results folder, without seconds."""
    (path,) = (folder / "attacks").glob("*.csv")
    with path.open(newline="") as text:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(text)]


@pytest.mark.parametrize("name", RESUMING)
def test_behind_what_was_found_every_attack_finds_the_same(name, tmp_path):
    attack, of, store = tiny.attack(name), test_every_attack.aimed(tiny.host(), tiny.attack(name)), Store(tmp_path)
    whole, rest = list(attack.search(of, seed=3)), list(attack.search(replace(of, found=1), seed=3))
    assert len(whole) == 2 and len(rest) == 1
    assert (rest[0].text, rest[0].measured, rest[0].draws) == (whole[1].text, whole[1].measured, whole[1].draws)
    keys = [store.put_start(one.start) if one.start else "" for one in (whole[1], rest[0])]
    assert keys[0] == keys[1]


def test_those_that_only_say_so_are_none():
    assert set(RESUMING) == set(loading.names("attacks")) - {"cce"}, "cce learns one vector for all prompts"


def test_a_stopped_search_goes_on_behind_what_it_found(attack, tmp_path):
    assert attack("whole")[0] == ["0", "1"]
    asked, said = attack("r", stop=1)
    assert asked == ["0"] and said.code == 130 and "type the same command again" in said.err
    assert not list((tmp_path / "r" / "attacks").glob("*.toml"))
    asked, said = attack("r")
    assert asked == ["1"] and said.code == 0 and "1 of 2 prompts were found before" in said.err
    assert found(tmp_path / "r") == found(tmp_path / "whole")
    assert not list((tmp_path / "r" / "attacks").glob(f"*{references.SEARCHED}"))
    assert attack("r")[0] == []


@pytest.mark.parametrize("damage", ["line", "start", "no start"])
def test_what_cannot_be_read_of_it_is_searched_again(attack, tmp_path, damage):
    attack("whole")
    attack("r", stop=1)
    (kept,) = (tmp_path / "r" / "attacks").glob(f"*{references.SEARCHED}")
    (start,) = (tmp_path / "r" / "starts").glob("*.safetensors")
    if damage == "line":
        kept.write_text(kept.read_text()[:-9])
    elif damage == "start":
        start.write_bytes(b"nonsense")
    else:
        start.unlink()
    asked, said = attack("r")
    assert (asked, said.code) == (["0", "1"], 0)
    assert found(tmp_path / "r") == found(tmp_path / "whole")
    assert not verify.verify(tmp_path / "r").broken


def test_a_search_killed_before_its_suite_was_written_asks_for_nothing_again(attack, tmp_path):
    attack("r", stop=1)
    (kept,) = (tmp_path / "r" / "attacks").glob(f"*{references.SEARCHED}")
    store = Store(tmp_path / "r")
    so_far = searched.Searched(store, kept.name.removesuffix(references.SEARCHED))
    so_far.read(2)
    so_far.add(Found("the second", start=Start(latents=torch.ones(4, 4, 8, 8))))
    assert attack("r")[0] == [] and [row["prompt"] for row in found(tmp_path / "r")][1] == "the second"


def test_too_many_prompts_are_none_the_next_time_either(attack, tmp_path):
    more = "\n    search_ = search\n    def search(self, target, *, seed):\n"
    more += "        yield from self.search_(target, seed=seed)\n        yield Found('one more')\n"
    for _ in range(2):
        _, said = attack("r", more=more)
        assert said.code == 2 and "its search gave 3 prompts, wanted 2" in said.err


def test_gc_keeps_what_a_stopped_search_found_and_takes_what_is_left_of_one_that_ended(attack, tmp_path):
    attack("r", stop=1)
    out = tmp_path / "r"
    (kept,) = (out / "attacks").glob(f"*{references.SEARCHED}")
    text = kept.read_text()
    assert not garbage.collect(out, delete=True, older=-60).pieces
    assert ("stopped searches", 1) in {(line.what, line.files) for line in statistics.lines(out)}
    assert json.loads(text)["start"] in references.attacked(out)
    attack("r")
    kept.write_text(text)  # as a kill behind the suite's last byte leaves it
    assert [piece.kind for piece in garbage.collect(out, delete=True, older=-60).pieces] == ["stopped search"]
