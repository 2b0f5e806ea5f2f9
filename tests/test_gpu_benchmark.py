"""`benchmarks/gpu.sh --tiny`: every stage runs before a GPU is paid for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_every_stage_of_the_gpu_benchmark_runs_on_the_cpu(tmp_path: Path):
    argv = ["benchmarks/gpu.sh", "--tiny", "--minutes", "30", "--out", str(tmp_path)]
    env = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    stages = json.loads((tmp_path / "gpu-tiny.json").read_text())["stages"]
    assert {stage["name"]: (stage["state"], stage["error"]) for stage in stages} == {
        stage["name"]: ("done", "") for stage in stages
    }
    assert all(stage["rows"] for stage in stages) and len(stages) == 11
    assert {stage["name"]: stage["cells"] for stage in stages} == {s["name"]: len(s["rows"]) for s in stages}
    page = (tmp_path / "gpu-tiny.md").read_text()
    assert all(stage["title"] in page for stage in stages)
    assert str(ROOT) not in page and str(tmp_path) not in page


@pytest.mark.slow
def test_a_stage_without_time_says_so_and_the_next_goes_on(tmp_path: Path):
    argv = ["benchmarks/gpu.sh", "--tiny", "--minutes", "0.05", "--out", str(tmp_path), "--only", "training", "closed"]
    env = {**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, check=True)
    stages = json.loads((tmp_path / "gpu-tiny.json").read_text())["stages"]
    assert [stage["name"] for stage in stages] == ["closed", "training"]
    assert {stage["state"] for stage in stages} == {"out of time"}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The modules of limits and of stages."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from gpu import bench, clock

    return bench, clock


def test_time_that_is_over_inside_a_library_is_still_no_failure(gpu):
    _, clock = gpu
    with pytest.raises(clock.OutOfTime, match="stopped after 0 s"), clock.within(0.05):
        try:
            time.sleep(5)
        except BaseException as error:
            raise RuntimeError("the compiler failed") from error
    with pytest.raises(RuntimeError, match="its own"), clock.within(5):
        raise RuntimeError("its own")


def test_a_stage_that_would_not_get_its_least_leaves_its_share_to_the_others(gpu):
    bench, clock = gpu

    def stage(share: float, least: float = 0) -> object:
        return bench.Stage("", "", "", share, lambda *_: iter(()), least)

    some = [stage(50), stage(50), stage(100, 60)]
    assert clock.allotted(some, 100) == 50  # 50 of 100 would be too little for the last
    assert clock.allotted(some, 200) == 50  # 100 are enough
    assert clock.allotted(some[2:], 40) == 40  # the stage itself is told what there is
