"""A run that is killed again and again ends as one that nothing disturbs: the real program, killed by SIGKILL.

    python benchmarks/interruptions.py [--pictures 2000] [--kills 5] [--seed 0] [--device auto]
                                       [--engine local|ray] [--workers 2] [--steps 20] [--fit-steps 60]

The same command is run twice into folders of their own. The first run is left alone, and says how long its fits and
scores take. The second is killed at moments that are drawn with --seed, in fit, generate and score each, and started
again by the same command. With --engine ray the workers are processes of a cluster of this machine, and every second
kill hits one of them, not the command. Compared are the pictures' bytes, the edits' tensors, the rows of scores and of
the summary; the exit code is 1 where anything differs. On a CPU it runs with one thread a process, as equal bytes need
(docs/conventions.md).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ERASED = ("ghost", "alien")
SUITE = """
name = "interrupted"
version = 1
source = "this benchmark"
licence = "MIT"
task = "object"

[sampling]
model = "emoji-sd"
scheduler = "dpm++"
steps = {steps}
guidance = 2.5
height = 64
width = 64

{cases}
[related]
ghost = ["alien"]
alien = ["ghost"]

[[block]]
concepts = ["a ghost", "an alien", "a cat", "a house"]
styles = ["twemoji", "noto", "fluent", "ink", "joypixels"]
templates = ["{{thing}} in {{style}} style", "a {{style}} drawing of {{thing}}", "{{thing}} drawn by {{style}}"]
every = ["concepts", "templates", "styles"]
seeds = {seeds}
"""
ROWS = 60  # of the suite, of one seed
RUN = "import sys; from dumo_bench.cli.app import main; main(sys.argv[1:])"
SCORERS = "concept,clip_score,likeness"


class Seen(NamedTuple):
    """What lies in a results folder."""

    edits: int
    pictures: int
    scores: int  # files of the table

    @classmethod
    def of(cls, out: Path) -> Seen:
        patterns = ("edits/*.safetensors", "images/*/*.png", "tables/scores/*.parquet")
        return cls(*(sum(1 for _ in out.glob(pattern)) for pattern in patterns))


@dataclass
class Run:
    """One folder, and the command that fills it; each start goes on where the last one ended."""

    out: Path
    argv: list[str]
    wanted: int  # pictures
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0

    def start(self) -> None:
        threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "RAY_USAGE_STATS_ENABLED": "0"}
        command = [sys.executable, "-c", RUN, *self.argv, "--out", str(self.out)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env={**os.environ, **threads}, stdout=log, stderr=log)
        self.began = time.monotonic()

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".log")

    @property
    def ended(self) -> bool:
        assert self.process
        return self.process.poll() is not None

    def until(self, reached: Callable[[], bool]) -> float:
        """Wait until something is so, or the command has ended; seconds since it was started."""
        while not self.ended and not reached():
            time.sleep(0.02)
        return time.monotonic() - self.began

    def finish(self) -> None:
        assert self.process
        if self.process.wait():
            sys.exit(f"the command ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")

    # --- where it stands

    def fitting(self) -> bool:
        return any(self.out.glob("edits/*.claim*"))

    def scoring(self) -> bool:
        return Seen.of(self.out).pictures >= self.wanted


@dataclass
class Calm:
    """What the undisturbed run took, in seconds: until its first fit began, of all fits, of all scores."""

    startup: float
    fits: float
    scores: float
    tables: int  # files of scores at the end

    @classmethod
    def of(cls, run: Run) -> Calm:
        run.start()
        startup = run.until(run.fitting)
        made = run.until(lambda: Seen.of(run.out).edits >= len(ERASED))
        scoring = run.until(run.scoring)
        run.finish()
        return cls(startup, made - startup, time.monotonic() - run.began - scoring, Seen.of(run.out).scores)


class Kill(NamedTuple):
    """What was killed, after how many seconds of its run, and what was there then."""

    stage: str
    what: str
    after: float
    there: Seen


@dataclass
class Killer:
    """Kills a run at random moments of its stages; `workers` finds the processes of a cluster's workers."""

    run: Run
    calm: Calm
    draw: random.Random
    workers: Callable[[], list[int]] = field(default=lambda: [])

    def kill(self, n: int, stage: str, share: float) -> Kill | None:
        """The n-th kill; None where the run ended before. share: of the pictures, those to wait for."""
        if self.run.process is None or self.run.ended:
            self.run.start()
        getattr(self, f"_{stage}")(share)
        if self.run.ended:
            return None
        there, after = Seen.of(self.run.out), time.monotonic() - self.run.began
        others = self.workers() if n % 2 else []
        if others:
            os.kill(self.draw.choice(others), signal.SIGKILL)
            return Kill(stage, "a worker", after, there)
        assert self.run.process
        self.run.process.kill()
        self.run.process.wait()
        return Kill(stage, "the command", after, there)

    def _fit(self, share: float) -> None:
        """Before the first fit is over: on a machine that does other things, too, it may be shorter than it was."""
        self.run.until(self.run.fitting)
        due = time.monotonic() + self.draw.uniform(0.0, 0.8) * self.calm.fits
        self.run.until(lambda: time.monotonic() >= due or not self.run.fitting())

    def _generate(self, share: float) -> None:
        self.run.until(lambda: Seen.of(self.run.out).pictures >= share * self.run.wanted)
        self._wait(self.draw.uniform(0.0, 0.5))

    def _score(self, share: float) -> None:
        """All pictures are there, and the models of the scorers are loaded after so long."""
        self.run.until(self.run.scoring)
        self._wait(max(0.0, self.calm.startup - (time.monotonic() - self.run.began)))
        left = 1 - Seen.of(self.run.out).scores / max(self.calm.tables, 1)
        self._wait(self.draw.uniform(0.0, 0.6) * self.calm.scores * left)

    def _wait(self, seconds: float) -> None:
        due = time.monotonic() + seconds
        self.run.until(lambda: time.monotonic() >= due)


def moments(kills: int, draw: random.Random) -> list[tuple[str, float]]:
    """The stage of every kill and, in generate, the share of pictures that is waited for; each stage has some."""
    fits = scores = max(1, kills // 4) if kills > 2 else 0
    shares = sorted(draw.uniform(0.02, 0.95) for _ in range(kills - fits - scores))
    return [("fit", 0.0)] * fits + [("generate", share) for share in shares] + [("score", 0.0)] * scores


# --- what came of it


def rows(out: Path, name: str) -> list[str]:
    """Every row of a table, in one order."""
    from dumo_bench.storage import table

    found = table.read_file(out / "summary.parquet", name) if name == "summary" else table.read(out / "tables", name)
    return sorted(map(repr, table.records(found)))


def tensors(out: Path) -> dict[str, str]:
    from dumo_bench.storage.edits import tensors_hash

    found = {}
    for path in out.glob("edits/*.safetensors"):
        with path.open("rb") as stream:
            found[path.name] = tensors_hash(stream)
    return found


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("images/*/*.png")}


def levels(one: dict[str, bytes], other: dict[str, bytes]) -> int:
    """By how many grey levels the pictures of one name differ at most."""
    import io

    import numpy as np
    from PIL import Image

    def pixels(raw: bytes) -> Any:
        return np.asarray(Image.open(io.BytesIO(raw)), np.int16)

    both = [name for name in one.keys() & other.keys() if one[name] != other[name]]
    return max((int(abs(pixels(one[name]) - pixels(other[name])).max()) for name in both), default=0)


def verdict(calm: Path, killed: Path) -> bool:
    """Print what is equal and what is not."""
    mine, theirs = pictures(calm), pictures(killed)
    edits = [set(tensors(out).items()) for out in (calm, killed)]
    tables = {name: [rows(out, name) for out in (calm, killed)] for name in ("scores", "sets", "summary")}
    counted = {"pictures, byte for byte": (mine.items() & theirs.items(), max(len(mine), len(theirs)))}
    counted["edits, tensor for tensor"] = edits[0] & edits[1], max(map(len, edits))
    print("| of both runs | equal | of |\n| --- | ---: | ---: |")
    good = True
    for name, (same, of) in counted.items():
        good &= len(same) == of > 0
        print(f"| {name} | {len(same)} | {of} |")
    for name, (one, other) in tables.items():
        same = len(one) - len(differing(one, other))
        good &= one == other != []
        print(f"| rows of {name} | {same} | {max(len(one), len(other))} |")
    far = levels(mine, theirs)
    print(f"\n{'EQUAL' if good else 'NOT EQUAL'}" + (f": pictures differ by up to {far} grey levels" if far else ""))
    return good


def differing(one: list[str], other: list[str]) -> list[str]:
    """The rows of one that the other lacks."""
    there = set(other)
    return [row for row in one if row not in there]


# --- the cluster, and the command


def worker(process: Any) -> bool:
    """Whether a process is a worker of Ray that lives; one that has just been killed is none."""
    import psutil

    with suppress(psutil.Error):
        return "".join(process.cmdline()[:1]).startswith("ray::Worker")
    return False


@contextmanager
def engine(name: str, workers: int, device: str) -> Iterator[tuple[list[str], Callable[[], list[int]]]]:
    """Options of the command, and how its workers are found; with Ray, a cluster that outlives the command."""
    if name == "local":
        yield [], lambda: []
        return
    import psutil
    import torch
    from ray.cluster_utils import Cluster

    gpus = torch.cuda.device_count() if device != "cpu" else 0
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": workers, "num_gpus": gpus, "include_dashboard": False}
    )

    def found() -> list[int]:
        below = psutil.Process().children(recursive=True)
        return [one.pid for one in below if worker(one)]

    share = ["--gpus-per-worker", str(gpus / workers)] if gpus else []
    try:
        yield ["--engine", "ray", "--address", cluster.address, *share], found
    finally:
        cluster.shutdown()


def suite(folder: Path, steps: int, limit: int) -> Path:
    cases = "".join(f'[[cases]]\nname = "{name}"\nerase = ["{name}"]\n\n' for name in ERASED)
    path = folder / "interrupted.toml"
    path.write_text(SUITE.format(steps=steps, cases=cases, seeds=math.ceil(limit / ROWS)))
    return path


def arguments() -> argparse.Namespace:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, usual in (("pictures", 2000), ("kills", 5), ("seed", 0), ("workers", 2), ("steps", 20)):
        asked.add_argument(f"--{name}", type=int, default=usual)
    asked.add_argument("--batch-size", type=int, default=16)
    asked.add_argument("--method", default="esd")
    asked.add_argument("--fit-steps", type=int, default=60, help="of a method that trains; 0: as it has them")
    asked.add_argument("--device", default="auto")
    asked.add_argument("--engine", choices=("local", "ray"), default="local")
    return asked.parse_args()


def main() -> None:
    given = arguments()
    limit = math.ceil(given.pictures / (1 + len(ERASED)))  # of a case; the unedited model's pictures are one more
    wanted, draw = limit * (1 + len(ERASED)), random.Random(given.seed)
    short = ["--set", f"steps={given.fit_steps}"] if given.fit_steps else []
    with (
        TemporaryDirectory() as name,
        engine(given.engine, given.workers, given.device) as (options, workers),
    ):
        folder = Path(name)
        argv = ["run", "-m", given.method, "-s", str(suite(folder, given.steps, limit)), "--limit", str(limit), *short]
        argv += ["--scorers", SCORERS, "--device", given.device, "--batch-size", str(given.batch_size), *options]
        calm, killed = (Run(folder / name, argv, wanted) for name in ("calm", "killed"))
        print(f"dumo-bench {' '.join(argv)}\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n", flush=True)
        took = Calm.of(calm)
        there = Seen.of(calm.out)
        print(
            f"undisturbed: {there.pictures} pictures, {there.edits} edits, {there.scores} files of scores; "
            f"{time.monotonic() - calm.began:.0f} s\n\n"
            "| kill | in | of | s after its start | edits there | pictures there | files of scores there |\n"
            "| ---: | --- | --- | ---: | ---: | ---: | ---: |",
            flush=True,
        )
        killer, done = Killer(killed, took, draw, workers), 0
        for n, (stage, share) in enumerate(moments(given.kills, draw), 1):
            if hit := killer.kill(n - 1, stage, share):
                done += 1
                print(f"| {n} | {hit.stage} | {hit.what} | {hit.after:.1f} | " + " | ".join(map(str, hit.there)) + " |")
            else:
                print(f"| {n} | {stage} | nothing: it had ended | | | | |")
            sys.stdout.flush()
        if killed.process is None or killed.ended:
            killed.start()
        killed.finish()
        print(f"\n{done} kills of {given.kills}\n")
        good = verdict(calm.out, killed.out)
    sys.exit(not (good and done == given.kills))


if __name__ == "__main__":
    main()
