"""kill -9 at any moment of fit, generate and score: the same command again ends as a run that nothing disturbed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import conftest
import kills
import pytest
import tiny

from dumo_bench.storage import table
from dumo_bench.storage.edits import tensors_hash


@dataclass(frozen=True)
class Calm:
    """A run that nothing disturbs: its suite, its folder, how often each of its stages changes it."""

    suite: Path
    out: Path
    changes: dict[str, int]


def argv(suite: Path, out: Path) -> list[object]:
    short = ("--set", "steps=2", "--batch-size", "2", "--scorers", "clip_score,likeness")
    return ["run", "-m", "esd", "-s", suite, "-o", out, "--device", "cpu", *short]


@pytest.fixture(scope="module")
def calm(tmp_path_factory) -> Calm:
    folder = tmp_path_factory.mktemp("calm")
    suite = folder / "tiny.toml"
    suite.write_text(conftest.SUITE.format(model=tiny.folder()))
    code, changes = kills.run(argv(suite, folder / "out"), folder / "log", kills.Moment(folder / "out"))
    assert code == 0, (folder / "log").read_text()
    assert min(changes.values()) > 8, changes
    return Calm(suite, folder / "out", changes)


def edits(out: Path) -> dict[str, str]:
    found = {}
    for path in out.glob("edits/*.safetensors"):
        with path.open("rb") as stream:
            found[path.name] = tensors_hash(stream)
    return found


def same(one: Path, other: Path) -> None:
    """Pictures byte for byte, edits tensor by tensor, tables and summary row by row; and nothing else is left over."""
    pictures = [{path.name: path.read_bytes() for path in out.glob("images/*/*.png")} for out in (one, other)]
    assert pictures[0] == pictures[1] != {}
    assert edits(one) == edits(other) != {}
    for name in ("scores", "sets"):
        rows = [sorted(map(repr, table.records(table.read(out / "tables", name)))) for out in (one, other)]
        assert rows[0] == rows[1] != []
    rows = [
        sorted(map(repr, table.records(table.read_file(out / "summary.parquet", "summary")))) for out in (one, other)
    ]
    assert rows[0] == rows[1] != []
    assert not [*other.glob("edits/*.claim*"), *other.glob("edits/*.fit")]


def started(calm: Calm, folder: Path, stage: str = "", at: int = 0) -> int:
    code, _ = kills.run(argv(calm.suite, folder / "out"), folder / "log", kills.Moment(folder / "out", stage, at))
    assert code in (0, -9), (folder / "log").read_text()
    return code


def killed_and_again(calm: Calm, folder: Path, stage: str, seed: int) -> None:
    at = random.Random(f"{stage} {seed}").randint(1, calm.changes[stage])
    assert started(calm, folder, stage, at) == -9
    assert started(calm, folder) == 0
    same(calm.out, folder / "out")


@pytest.mark.parametrize("stage", ["fit", "generate", "score"])
def test_a_run_that_is_killed_ends_as_one_that_is_not(calm, tmp_path, stage):
    killed_and_again(calm, tmp_path, stage, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 8))
@pytest.mark.parametrize("stage", ["fit", "generate", "score"])
def test_at_whatever_moment_a_run_is_killed_it_ends_as_one_that_is_not(calm, tmp_path, stage, seed):
    killed_and_again(calm, tmp_path, stage, seed)


@pytest.mark.slow
def test_a_run_that_is_killed_over_and_over_ends_as_one_that_is_not(calm, tmp_path):
    """Each time a little further, as on a machine that is taken away again and again."""
    draw = random.Random(1)
    for n in range(6):
        stage = ("fit", "generate", "score")[n // 2]
        assert started(calm, tmp_path, stage, draw.randint(1, calm.changes[stage] // 4)) == -9
    assert started(calm, tmp_path) == 0
    same(calm.out, tmp_path / "out")
