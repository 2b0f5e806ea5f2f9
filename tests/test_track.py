"""What a tracker is told of a run is what the folder holds: losses, numbers, verdicts; no prompt, no picture."""

from __future__ import annotations

import importlib.util
import inspect
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, get_args

import pandas as pd
import pytest
from accelerate import tracking
from fakes import Scaled
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dumo_bench import api
from dumo_bench.api import track
from dumo_bench.api.experiment import Tracker
from dumo_bench.suites import registry

FAKES = Path(__file__).with_name("fakes.py")
LOSSES = [1 / n for n in range(1, 13)]


@dataclass(frozen=True)
class Learns(Scaled):
    """As if its weight were learnt in twelve steps."""

    name: ClassVar[str] = "learns"

    def fit(self, host, erase, *, seed):
        edit = super().fit(host, erase, seed=seed)
        return type(edit)(edit.tensors, {**edit.header, "curves": {"a: b": LOSSES}})


def ran(command, suite, out, *more):
    method, scorer = f"{Path(__file__)}:Learns", f"{FAKES}:Lit"
    return command("run", "-m", method, "-s", suite, "-o", out, "--scorers", scorer, "--device", "cpu", *more)


def test_tensorboard_has_what_the_folder_has(command, tiny_suite, tmp_path):
    said = ran(command, tiny_suite, tmp_path / "out", "--log", "tensorboard")
    assert said.code == 0 and "--log" not in said.err, said.err
    (folder,) = (tmp_path / "out" / track.FOLDER).iterdir()
    log = EventAccumulator(str(folder))
    log.Reload()
    losses = log.Scalars("loss/cat/a: b")
    assert [one.step for one in losses] == [*range(1, 13)]
    assert [one.value for one in losses] == pytest.approx(LOSSES)
    table = api.read(tmp_path / "out").pandas("summary")
    rows = table[(table["method"] == "learns") & (table["concept"] == "*") & table["value"].notna()]
    told = {one for one in log.Tags()["scalars"] if one.startswith("cat/") and not one.endswith((".low", ".high"))}
    assert told == {f"cat/{row.role}/{row.metric}" for row in rows.itertuples()} and len(told) >= 4
    for row in rows.itertuples():
        key = f"cat/{row.role}/{row.metric}"
        ends = {key: row.value, f"{key}.low": row.low, f"{key}.high": row.high}
        sent = {name: log.Scalars(name)[0].value for name, value in ends.items() if not pd.isna(value)}
        assert sent == pytest.approx({name: ends[name] for name in sent})
    (verdict,) = log.Tensors("verdict/text_summary")[0].tensor_proto.string_val
    assert verdict.decode() in said.out
    files = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    prompts = {prompt.text for prompt in registry.load(str(tiny_suite)).prompts}
    assert len(prompts) > 1 and not [text for text in prompts if text.encode() in files]


@pytest.mark.parametrize("name", get_args(Tracker))
def test_every_tracker_is_one_of_accelerate_and_takes_what_it_is_given(name):
    cls = tracking.LOGGER_TYPE_TO_CLASS[name]
    given = {"tensorboard": {"logging_dir": "x"}, "wandb": {"name": "x"}, "mlflow": {"run_name": "x"}}[name]
    inspect.signature(cls).bind("project", **given)


def test_a_tracker_that_is_not_installed_is_refused_before_anything_is_made(command, tiny_suite, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "wandb" else find(name, *rest))
    said = ran(command, tiny_suite, tmp_path / "out", "--log", "wandb")
    assert said.code == 2 and "wandb wanted: type pip install 'dumo-bench[wandb]'" in said.err
    assert said.err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_files_are_written_on_this_machine_alone(command, tiny_suite):
    said = ran(command, tiny_suite, "memory://somewhere/out", "--log", "tensorboard")
    assert said.code == 2 and "a folder of this machine, not memory://" in said.err


def test_a_tracker_that_fails_costs_no_result(command, tiny_suite, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / track.FOLDER).write_text("a file where its folder should be")
    said = ran(command, tiny_suite, tmp_path / "out", "--log", "tensorboard")
    assert said.code == 0 and "--log tensorboard: " in said.err and "results are not lost" in said.err
    assert "small, cat: learns" in said.out


def test_names_are_of_characters_that_every_tracker_takes():
    assert track._key("loss", "a+b (c)", "", "d*\n/e") == "loss/a_b _c_/d___e"


def test_a_row_with_a_long_name_is_told_too(command, tiny_suite, tmp_path):
    """A row is called after its suite's path and its settings; a folder's name has at most 255 bytes."""
    deep = tmp_path.joinpath(*("é" * 60 for _ in range(3)))
    deep.mkdir(parents=True)
    suite = shutil.copy(tiny_suite, deep)
    said = ran(command, suite, tmp_path / "out", "--log", "tensorboard")
    assert said.code == 0 and "--log" not in said.err, said.err
    assert list((tmp_path / "out" / track.FOLDER).rglob("*tfevents*"))
