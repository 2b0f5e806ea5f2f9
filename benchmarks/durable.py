"""What it costs to wait for the disk: pictures and edits written with fsync and without, in turns, and beside sampling.

    python benchmarks/durable.py [FOLDER] [--n 200] [--rounds 5]

FOLDER is on the disk in question, by default the working folder's. "one thread": pictures as they are written one after
another. "beside sampling": emoji-sd's pictures in two steps, written on threads while the next batch is sampled, as
`generate` does it. Medians.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from dumo_bench.hosts import device, sd
from dumo_bench.methods.original import Original
from dumo_bench.run import work
from dumo_bench.storage import durable
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Edit, Job, Recipe, Sampling

RECIPE = Recipe("original", "1", {}, (), 0, "")
CONTRACT = Sampling("emoji-sd", "dpm++", 2, 2.5, 64, 64)
Way = Callable[[Path], object]


def jobs(n: int, side: int = 64) -> list[Job]:
    contract = Sampling("emoji-sd", "dpm++", 2, 2.5, side, side)
    return [Job(RECIPE, "a ghost", Draw(i), contract) for i in range(n)]


def pictures(n: int, side: int) -> Way:
    """n pictures of a size, smooth as a photograph, one after another."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    pixels = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(128)), -1)
    return lambda root: [Store(root).put_image(job, np.roll(pixels, i, 0), 1) for i, job in enumerate(jobs(n, side))]


def edits(n: int, mib: int) -> Way:
    tensor = torch.zeros(mib * 2**18)
    made = [Recipe("uce", "1", {}, (str(i),), 0, "") for i in range(n)]
    return lambda root: [Store(root).put_edit(recipe, Edit({"a": tensor}, {})) for recipe in made]


def generated(host: sd.Host, n: int) -> Way:
    return lambda root: work.generate(host, Original(), jobs(n), Store(root), 8)


@contextmanager
def unsynced() -> Iterator[None]:
    """As if nobody waited for the disk."""
    before = durable.content, durable.names
    durable.content = durable.names = lambda what: None
    try:
        yield
    finally:
        durable.content, durable.names = before


def seconds(way: Way, at: Path) -> float:
    with TemporaryDirectory(dir=at) as name:
        began = time.perf_counter()
        way(Path(name))
        return time.perf_counter() - began


def turns(way: Way, at: Path, rounds: int) -> tuple[float, float]:
    """Median seconds without and with fsync."""
    taken: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        with unsynced():
            taken[0].append(seconds(way, at))
        taken[1].append(seconds(way, at))
    return statistics.median(taken[0]), statistics.median(taken[1])


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("folder", type=Path, nargs="?", default=Path())
    asked.add_argument("--n", type=int, default=80)
    asked.add_argument("--rounds", type=int, default=5)
    given = asked.parse_args()
    device.quick_allocator()
    host, n, few = sd.load("emoji-sd"), given.n, max(1, given.n // 20)
    ways = {
        "pictures of 64 x 64, one thread": (n, pictures(n, 64)),
        "pictures of 512 x 512, one thread": (few, pictures(few, 512)),
        "edits of 64 MiB": (few, edits(few, 64)),
        "pictures of 64 x 64, beside sampling": (n, generated(host, n)),
    }
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {given.folder.resolve()}\n")
    print("| ms each | without | with fsync | more |\n| --- | ---: | ---: | ---: |")
    for name, (count, way) in ways.items():
        bare, safe = (1000 * one / count for one in turns(way, given.folder, given.rounds))
        print(f"| {name} | {bare:.2f} | {safe:.2f} | {safe - bare:+.2f} |", flush=True)


if __name__ == "__main__":
    main()
