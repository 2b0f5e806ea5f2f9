"""Shared fixtures: a small suite on a random model, and the real command in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that needs the network is wrong
os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # a busy one is no fault of the code

SUITE = """
name = "small"
version = 1
source = "written for this test"
licence = "MIT"

[sampling]
model = "{model}"
scheduler = "ddim"
steps = 2
guidance = 3.0
height = 64
width = 64

[[cases]]
name = "cat"
erase = ["cat"]

[related]
cat = ["dog"]

[[block]]
concepts = ["a cat", "a dog", "an alien"]
templates = ["{{thing}}", "a photo of {{thing}}"]
seeds = [1]
"""


@dataclass(frozen=True)
class Said:
    """What a command wrote, and its exit code."""

    code: int
    out: str
    err: str

    def rows(self, name: str) -> list[dict[str, Any]]:
        """A table of what `--json` printed."""
        rows: list[dict[str, Any]] = json.loads(self.out)["tables"][name]
        return rows


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`command("list", "methods")`: the real program, in this process."""
    from dumo_bench.cli.app import main

    def call(*argv: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in argv])
        said = capsys.readouterr()
        return Said(int(stop.value.code or 0), said.out, said.err)

    return call


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, cache_home: Path) -> None:
    """The user's cache is left alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.fixture(autouse=True)
def own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is as wide as the program has it; xdist's workers have the terminal's width in COLUMNS."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def bare_model(tmp_path: Path) -> Path:
    """A folder with the parts of a model and a few bytes of weights: enough for everything but loading it."""
    folder = tmp_path / "bare"
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True)
        (folder / part / "config.json").write_text("{}")
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    (folder / "unet" / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def bare_suite(tmp_path: Path, bare_model: Path) -> Path:
    """The small suite on the bare model."""
    path = tmp_path / "small.toml"
    path.write_text(SUITE.format(model=bare_model))
    return path


@pytest.fixture
def tiny_suite(tmp_path: Path) -> Path:
    """The small suite on a random model that can be loaded and sampled."""
    import tiny

    path = tmp_path / "tiny.toml"
    path.write_text(SUITE.format(model=tiny.folder()))
    return path
