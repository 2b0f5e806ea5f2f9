"""The engines make the same bytes, and a cluster that loses a worker or a node ends with a complete run.

The workers and the nodes are real processes. With one thread, as everywhere (docs/conventions.md).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import object_store
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dumo_bench.engines.local import Local
from dumo_bench.engines.worker import Terms, Worker
from dumo_bench.hosts import device
from dumo_bench.plugins import loading
from dumo_bench.run import plan, steps
from dumo_bench.run.session import Session
from dumo_bench.run.tasks import Make, Measure
from dumo_bench.storage import table

ROOT = Path(__file__).parents[1]
ASKED = ("-m", "original", "-s")
CODE = "from dumo_bench.cli.app import main; main()"


def written(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("images/*/*.png")}


def measured(out: Path) -> dict[str, list[str]]:
    """Every row of every table that is measured, in one order."""
    names = [name for name in ("scores", "sets", "detections") if (out / "tables" / name).is_dir()]
    return {name: sorted(map(repr, table.records(table.read(out / "tables", name)))) for name in names}


def same(one: Path, other: Path) -> None:
    assert written(one) == written(other) != {}
    assert measured(one) == measured(other) != {}


# --- what needs no cluster


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:-1", "cuda:x", "cpu:0"])
def test_a_device_that_means_nothing_is_refused_as_it_is_typed(command, bare_suite, name):
    said = command("run", "-m", "uce", "-s", bare_suite, "--device", name)
    assert said.code == 2 and "cuda:1" in said.err


@pytest.mark.skipif(torch.cuda.device_count() > 7, reason="this machine has an eighth GPU")
def test_a_gpu_that_is_not_there_is_one_line(command, tiny_suite, tmp_path):
    said = command("generate", "-m", "uce", "-s", tiny_suite, "--device", "cuda:7", "-o", tmp_path)
    assert said.code == 2 and said.err.splitlines()[-1].startswith("dumo-bench: --device cuda:7: this machine has ")


@pytest.mark.skipif(torch.cuda.device_count() > 7, reason="this machine has an eighth GPU")
def test_scores_are_measured_on_the_device_that_is_typed(command, bare_suite, tmp_path):
    asked = ("score", *ASKED, bare_suite, "--scorers", "blank", "-o", tmp_path)
    session = Session(plan.Request("original", str(bare_suite)), tmp_path, Local())
    for job in session.plan.wanted():
        session.store.put_image(job, np.zeros((64, 64, 3), np.uint8), 4)
    said = command(*asked, "--device", "cuda:7")
    assert said.code == 2 and "--device cuda:7: this machine has" in said.err
    assert command(*asked, "--device", "cpu").code == 0


@pytest.mark.gpu
def test_a_gpu_with_a_number_is_what_everything_calls_cuda():
    last = torch.cuda.device_count() - 1
    assert device.use(f"cuda:{last}") == f"cuda:{last}" and torch.cuda.current_device() == last


def test_without_ray_its_engine_says_what_to_type(command, bare_suite, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    said = command("run", "-m", "uce", "-s", bare_suite, "--engine", "ray")
    assert (said.code, said.err) == (
        2, "dumo-bench: --engine ray: Ray is not installed: type pip install 'dumo-bench[ray]'\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (("--address", "auto"), "--address is about the workers of a cluster: type --engine ray"),
        (("--gpus-per-worker", "0.5"), "--gpus-per-worker is about the workers"),
        (("--engine", "ray", "--device", "cuda:1"), "leave --device cuda:1 out"),
    ],
)
@pytest.mark.parametrize("named", ["plan", "run"])
def test_options_that_contradict_one_another_are_refused(command, bare_suite, typed, says, named):
    said = command(named, "-m", "uce", "-s", bare_suite, *typed)
    assert said.code == 2 and says in said.err


@pytest.mark.parametrize("address", ["nowhere.invalid:6379", "127.0.0.1:1", "[::1]:1", "a..b:99999"])
def test_an_address_where_nobody_listens_is_one_line_at_once_and_before_any_work(
    command, bare_suite, tmp_path, address
):
    typed = ("--engine", "ray", "--address", address, "--scorers", "blank", "--out", tmp_path / "out")
    said = command("run", "-m", "uce", "-s", bare_suite, *typed)
    assert said.code == 2 and len(said.err.splitlines()) == 1 and not (tmp_path / "out").exists()
    assert said.err.startswith(f"dumo-bench: --address {address}: no Ray cluster answers: type `ray start --head`")


def test_the_memory_of_one_process_is_no_place_for_the_results_of_others(command, tiny_suite):
    said = command("run", "-m", "uce", "-s", tiny_suite, "--engine", "ray", "--out", object_store.memory())
    assert said.code == 2 and "is the memory of one process" in said.err


def test_a_local_run_does_not_import_ray(tiny_suite, tmp_path):
    line = "import sys; from dumo_bench.engines import Asked, make\nmake(Asked(), 'auto')\n{}"
    code = line.format("print('ray' in sys.modules)")
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"


class Shared(Local):
    """Splits as a cluster would."""

    def __init__(self, size: int) -> None:
        self.size = size

    def share(self, batches: int, most: int) -> int:
        return min(self.size, most)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 60))
def test_tasks_are_whole_batches_of_one_recipe_and_hold_every_picture_once(batch, share, limit):
    request = plan.Request("uce", "emoji-cartoon", cases=("ghost", "ghost+santa claus"), limit=limit)
    session = Session(request, Path("nowhere"), Shared(share), batch_size=batch)
    wanted = session.plan.wanted()
    tasks = [task for task in steps.unmade(session, wanted) if isinstance(task, Make)]
    assert sorted(job.key for task in tasks for job in task.jobs) == sorted(job.key for job in wanted)
    assert all({job.recipe.key for job in task.jobs} == {task.recipe} for task in tasks)
    recipes = [task.recipe for task in tasks]
    assert len(recipes) == len({*recipes}) + sum(a == b for a, b in pairwise(recipes))
    for recipe in {*recipes}:
        sizes = sorted((len(task.jobs) for task in tasks if task.recipe == recipe), reverse=True)
        assert all(size == batch * min(share, 4) for size in sizes[:-1]) and sizes[-1] > 0


def test_pictures_are_scored_in_the_chunks_of_one_process_and_sets_at_once():
    specs = ("clip_score", "likeness", "kid")
    request = plan.Request("uce", "emoji-cartoon", cases=("ghost",))
    session = Session(request, Path("nowhere"), Shared(1))
    tasks = [task for task in steps.unscored(session, specs) if isinstance(task, Measure)]
    for recipe in {task.recipe for task in tasks}:
        mine = [task for task in tasks if task.recipe == recipe]
        n = len(session.part(recipe).rows)
        cuts = [(task.start, task.stop) for task in mine if task.scorers == ("clip_score",)]
        assert cuts == [(start, min(start + 64, n)) for start in range(0, n, 64)] and n > 64
        assert [(task.start, task.stop) for task in mine if task.scorers == ("likeness", "kid")] == [(0, n)]


def test_a_worker_refuses_a_folder_that_it_does_not_see_and_another_suite(tiny_suite, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    request = plan.Request("uce", str(tiny_suite))
    made = plan.make(request, lambda spec, settings: loading.make("methods", spec, settings))

    def ready(where: Path, content: str) -> Any:
        means = content, made.model_hash
        return Worker(Terms(request, tmp_path / "out", "cpu", 4, where, None, means)).ready()

    assert "does not see" in str(ready(tmp_path / "away", made.content))
    assert "another suite or model" in str(ready(tmp_path, "other"))
    assert ready(tmp_path, made.content).startswith(f"process {os.getpid()} on ")


# --- real clusters


@dataclass(frozen=True)
class Run:
    """The real command as a process of its own."""

    suite: Path
    out: Path
    more: tuple[str, ...] = ()
    engine: str = "ray"
    method: str = "uce"

    def start(self) -> subprocess.Popen[str]:
        argv = ["run", "-m", self.method, "-s", self.suite, "--limit", "20", "--batch-size", "2", "-o", self.out]
        argv += ["--device", "cpu", "--engine", self.engine, *self.more]
        command = [sys.executable, "-c", CODE, *map(str, argv)]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(self.suite.parent / "cache")}
        return subprocess.Popen(command, env=env, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE)

    def end(self, process: subprocess.Popen[str]) -> str:
        said = process.communicate(timeout=900)[1]
        assert process.returncode == 0, said
        return said


def until(process: subprocess.Popen[str], out: Path, n: int) -> None:
    """Wait for so many pictures."""
    while len(written(out)) < n and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, "it ended before it could be disturbed"


def is_worker(process: psutil.Process) -> bool:
    """Whether it is a worker of Ray that lives; one that has just been killed is none."""
    with suppress(psutil.Error):
        return "".join(process.cmdline()[:1]).startswith("ray::Worker")
    return False


def test_a_process_that_was_just_killed_is_no_worker():
    dead = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(dead.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not is_worker(psutil.Process(dead.pid))
    dead.wait()


def workers(of: int) -> list[psutil.Process]:
    """The workers that are below a process."""
    below = psutil.Process(of).children(recursive=True)
    return [one for one in below if is_worker(one)]


def test_a_worker_of_a_cluster_measures_what_one_process_measures(command, bare_suite, tmp_path):
    """The quick one: nothing is sampled, so that no worker loads a model."""
    request = plan.Request("original", str(bare_suite))
    for engine in ("local", "ray"):
        session = Session(request, tmp_path / engine, Local())
        for n, job in enumerate(session.plan.wanted()):
            session.store.put_image(job, np.full((64, 64, 3), n, np.uint8), 4)
        said = command("score", *ASKED, bare_suite, "--scorers", "blank", "-o", session.out, "--engine", engine)
        assert said.code == 0, said.err
    assert measured(tmp_path / "local") == measured(tmp_path / "ray") != {}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["esd", "rece"])
def test_fits_and_pictures_of_a_random_model_are_those_of_one_process(tiny_suite, tmp_path, method):
    """Two recipes, and pictures that wait for their edits."""
    suite = tmp_path / "two.toml"
    more = '[[cases]]\nname = "both"\nerase = ["cat", "dog"]\n\n[related]'
    suite.write_text(tiny_suite.read_text().replace("[related]", more))
    short = {"esd": ("--set", "steps=2"), "rece": ()}[method]
    runs = [Run(suite, tmp_path / engine, short, engine, method) for engine in ("local", "ray")]
    for run in runs:
        run.end(run.start())
    same(runs[0].out, runs[1].out)
    edits = [{path.name: path for path in run.out.glob("edits/*.safetensors")} for run in runs]
    assert edits[0].keys() == edits[1].keys() and len(edits[0]) >= 2


@pytest.mark.slow
def test_an_experiment_of_several_rows_is_on_a_cluster_what_it_is_in_one_process(tiny_suite, tmp_path):
    """Methods, seeds and suites share a folder; each row has workers of its own."""
    other = tmp_path / "other.toml"
    other.write_text(tiny_suite.read_text().replace('name = "small"', 'name = "other"'))
    rows = [f'[[methods]]\nname = "{name}"' for name in ("uce", "esd")] + [
        f'[[suites]]\nname = "{path}"' for path in (tiny_suite, other)
    ]
    file = tmp_path / "experiment.toml"
    file.write_text('scorers = ["blank"]\nlimit = 6\n' + "\n".join(rows) + "\n")
    file.write_text(file.read_text().replace('name = "esd"', 'name = "esd"\nsettings = {steps = 2}\nseeds = [0, 1]'))
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    for engine in ("local", "ray"):
        argv = ["run", file, "--engine", engine, "--device", "cpu", "-o", tmp_path / engine]
        subprocess.run([sys.executable, "-c", CODE, *map(str, argv)], env=env, check=True, timeout=900)
    same(tmp_path / "local", tmp_path / "ray")
    assert len({name for name in measured(tmp_path / "ray")["scores"]}) >= 6 * 4 * 2
    assert len(list((tmp_path / "ray").glob("edits/*.safetensors"))) == 3  # one fit serves both suites


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    """A suite of emoji-sd in few steps."""
    path = tmp_path_factory.mktemp("suite") / "few.toml"
    text = (ROOT / "prompts" / "emoji-cartoon.toml").read_text()
    path.write_text(text.replace("steps = 20", "steps = 2").replace('name = "emoji-cartoon"', 'name = "few"'))
    return path


@pytest.fixture(scope="module")
def calm(suite, tmp_path_factory) -> Path:
    """What one process makes that nothing disturbs."""
    run = Run(suite, tmp_path_factory.mktemp("calm"), engine="local")
    run.end(run.start())
    return run.out


@pytest.mark.slow
def test_two_workers_of_a_core_each_make_every_byte_and_every_score_of_one_process(suite, calm, tmp_path):
    run = Run(suite, tmp_path / "two")
    process = run.start()
    until(process, run.out, 2)
    assert len(workers(process.pid)) == 2
    run.end(process)
    assert len(list((run.out / "checksums").iterdir())) == 2  # both have made some
    same(calm, run.out)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced_and_its_task_done_again(suite, calm, tmp_path):
    run = Run(suite, tmp_path / "killed", ("--json",))
    process = run.start()
    for n, sent in ((2, signal.SIGKILL), (20, signal.SIGTERM), (40, signal.SIGKILL)):  # `ray stop` sends SIGTERM
        until(process, run.out, n)
        workers(process.pid)[-1].send_signal(sent)
    printed, said = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert said.count("a worker died at: make uce") + said.count("a worker died at: make original") >= 1
    assert json.loads(printed)["command"] == "run"  # Ray, too, tells of dead workers, and would do it there
    same(calm, run.out)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_ends_its_workers_and_goes_on(suite, calm, tmp_path, sent):
    run = Run(suite, tmp_path / "stopped")
    process = run.start()
    until(process, run.out, 4)
    some = workers(process.pid)
    process.send_signal(sent)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 130 and "type the same command again to go on" in said
    assert psutil.wait_procs(some, timeout=60)[1] == []
    kept = written(run.out)
    assert 4 <= len(kept) < len(written(calm))
    run.end(run.start())
    same(calm, run.out)


STAGES = {
    "fits": lambda run, process: bool(workers(process.pid)),
    "pictures": lambda run, process: len(written(run.out)) >= 8,
    "scores": lambda run, process: any(run.out.glob("tables/scores/*.parquet")),
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("who", ["the command", "a worker"])
def test_whoever_is_killed_in_whatever_stage_the_run_ends_as_one_process_would(suite, calm, tmp_path, who, stage):
    run = Run(suite, tmp_path / "killed")
    process = run.start()
    while not STAGES[stage](run, process):
        assert process.poll() is None, "it ended before it could be disturbed"
        time.sleep(0.02)
    some = workers(process.pid)
    if who == "a worker":
        some[-1].kill()
    else:
        process.kill()
        process.communicate()
        assert psutil.wait_procs(some, timeout=60)[1] == []  # Ray's own helpers end a minute later
        process = run.start()
    run.end(process)
    same(calm, run.out)


@pytest.fixture
def cluster(monkeypatch) -> Iterator[Any]:
    """Two nodes of a core each on this machine."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    some = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield some
    some.shutdown()


@pytest.mark.slow
def test_a_run_goes_on_where_a_node_is_lost_and_ends_complete(suite, calm, cluster, tmp_path):
    second = cluster.add_node(num_cpus=1)
    run = Run(suite, tmp_path / "lost", ("--address", cluster.address))
    process = run.start()
    until(process, run.out, 8)
    while len(list((run.out / "checksums").iterdir())) < 2:
        time.sleep(0.05)
    cluster.remove_node(second, allow_graceful=False)
    said = run.end(process)
    assert "a worker died at: " in said
    same(calm, run.out)
