"""Published prompt lists where a developer has them: in the folder of DUMO_BENCH_PROMPTS, or beside the checkout; one
that follows a rule is written by it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

from dumo_bench.suites import registry, source
from dumo_bench.types import Suite

BESIDE = Path(__file__).parents[2] / "shared" / "data" / "prompts"
FOLDER = Path(os.environ.get(source.FOLDER) or BESIDE)


TEMPLATES = ("A portrait of {}", "An image capturing {} at a public event", "An oil painting of {}", "A sketch of {}",
             "{} in an official photo")  # fmt: skip


def celebrities(names: Sequence[str], gone: int) -> str:
    """MACE's list: of each name, those that go first, five templates with five seeds each."""
    roles = ["erased" if n < gone else "others" for n in range(len(names))]
    every = [
        f"{role},{text.format(name)},{seed}"
        for role, name in zip(roles, names, strict=True)
        for text in TEMPLATES
        for seed in range(1, 6)
    ]
    return "\n".join([",type,prompt,evaluation_seed", *(f"{n},{line}" for n, line in enumerate(every)), ""])


@cache
def by_rule() -> Path:
    """A folder with the lists that follow a rule."""
    folder, csv = Path(mkdtemp()), registry.file_of("celebrities").csv
    assert csv is not None
    (folder / csv.source.file).write_text(celebrities(list(csv.strata), 10), encoding="utf-8", newline="\n")
    return folder


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The suite; the test is skipped where its list is not on this machine, as lists are never part of the project."""
    monkeypatch.setenv(source.FOLDER, str(by_rule() if name == "celebrities" else FOLDER))
    csv = registry.file_of(name).csv
    if csv and not source.find(csv.source):
        pytest.skip(f"{csv.source.file} is not on this machine: DUMO_BENCH_PROMPTS names no folder that has it")
    return _load(name)


_load = cache(registry.load)
