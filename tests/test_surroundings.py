"""Clock, locale, hash seed, time zone and working folder change nothing; threads no more than the docs say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import conftest
import numpy as np
import pytest
import tiny
from PIL import Image

from dumo_bench.storage import table

#: a clock that goes back a day at every look, and a year that is not this one
BACKWARDS = """
import itertools, time
looks = itertools.count()
time.time = lambda: 4e9 - 86400 * next(looks)
"""
RUN = "import sys; from dumo_bench.cli.app import main; main(sys.argv[1:])"


def made(suite: Path, out: Path, before: str = "", **more: str) -> Path:
    """What the real program makes in a process of its own."""
    argv = ["run", "-m", "uce", "-s", suite, "-o", out, "--device", "cpu", "--scorers", "clip_score,likeness"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", **more}
    command = [sys.executable, "-c", before + RUN, *map(str, argv), "--batch-size", "3"]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=False, errors="replace")
    assert said.returncode == 0, said.stderr
    return out


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("images/*/*.png")}


def rows(out: Path, name: str) -> list[str]:
    return sorted(map(repr, table.records(table.read(out / "tables", name))))


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    """With a name and a prompt that no ASCII locale can say."""
    path = tmp_path_factory.mktemp("suite") / "tiny.toml"
    text = conftest.SUITE.format(model=tiny.folder()).replace(
        '"a photo of {thing}"', '"a photo of {thing}, İstanbul 猫"'
    )
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def usual(suite, tmp_path_factory) -> Path:
    return made(suite, tmp_path_factory.mktemp("usual"), PYTHONHASHSEED="0")


def test_clock_locale_hash_seed_and_time_zone_change_no_byte(suite, usual, tmp_path):
    odd = {"PYTHONHASHSEED": "12345", "LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    other = made(suite, tmp_path / "İ", BACKWARDS, **odd, TZ="Pacific/Kiritimati")
    assert pictures(other) == pictures(usual) != {}
    for name in ("scores", "sets"):
        assert rows(other, name) == rows(usual, name) != []


def test_two_threads_move_no_pixel_by_more_than_the_docs_say(suite, usual, tmp_path):
    other = made(suite, tmp_path / "two", OMP_NUM_THREADS="2")
    pairs = [(path, other / path.relative_to(usual)) for path in usual.glob("images/*/*.png")]
    far = [abs(np.asarray(Image.open(a), np.int16) - np.asarray(Image.open(b), np.int16)).max() for a, b in pairs]
    assert len(far) == 12 and max(far) <= 1
