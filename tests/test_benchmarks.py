"""The benchmarks on sizes that take seconds: a program that nobody ran since the code changed measures nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def printed(script: str, *argv: str) -> str:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(FOLDER / script), *argv],
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "argv", "rows"),
    [
        ("runs.py", ["--pictures", "8"], 3),
        ("large.py", ["--rows", "10000", "--pictures", "100", "--metrics", "2"], 4),
        ("startup.py", ["--rounds", "1"], 1),
        ("durable.py", ["--n", "8", "--rounds", "1"], 1),
        ("scoring.py", ["--n", "4", "--size", "128", "--rounds", "1"], 0),
        ("ratios.py", ["--pictures", "4", "--rounds", "1", "--only", "generate"], 1),
    ],
)  # fmt: skip
def test_a_benchmark_measures_what_it_says(script, argv, rows):
    said = printed(script, *argv)
    assert sum(line.startswith("|") for line in said.splitlines()) >= rows + 2 * bool(rows)
    assert any(unit in said for unit in ("times", "seconds", "ms each"))
