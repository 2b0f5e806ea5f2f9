"""Published prompt lists where a developer has them: in the folder of DUMO_BENCH_PROMPTS, or beside the checkout."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from dumo_bench.suites import registry, source
from dumo_bench.types import Suite

BESIDE = Path(__file__).parents[2] / "shared" / "data" / "prompts"
FOLDER = Path(os.environ.get(source.FOLDER) or BESIDE)


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The suite; the test is skipped where its list is not on this machine, as lists are never part of the project."""
    monkeypatch.setenv(source.FOLDER, str(FOLDER))
    csv = registry.file_of(name).csv
    if csv and not source.find(csv.source):
        pytest.skip(f"{csv.source.file} is not on this machine: DUMO_BENCH_PROMPTS names no folder that has it")
    return _load(name)


_load = cache(registry.load)
