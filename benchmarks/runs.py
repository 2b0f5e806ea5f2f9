"""Seconds and peak memory of generate, of generate again, and of score, by the number of pictures.

    python benchmarks/runs.py --pictures 1000 10000 100000

What the program does around the model: the model is `emoji-sd`, but in place of denoising and decoding every batch is
noise of a fixed seed, which one core makes a hundred times as fast. Half of the pictures are the unedited model's, half
UCE's; everything else is the real command on a real folder, and the scorer is `blank`. Seconds are of the processor.
Pictures are synced one by one: TMPDIR=/dev/shm leaves the disk out.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import large

SUITE = """\
name = "many"
version = 1
source = "made by benchmarks/runs.py"
licence = "CC0-1.0"
scorers = ["blank"]

[sampling]
model = "emoji-sd"
scheduler = "dpm++"
steps = 20
guidance = 2.5
height = 64
width = 64
noise = "cpu"

[[cases]]
erase = ["ghost"]

[csv]
file = "many.csv"
seeds = 1

[csv.columns]
text = "prompt"
concept = "concept"
"""
_CONCEPTS = ("ghost", "alien", "cat", "dog", "apple")


def suite(folder: Path, rows: int) -> Path:
    """A suite of so many prompts, one picture each."""
    concepts = (_CONCEPTS[i % len(_CONCEPTS)] for i in range(rows))
    lines = [f"a {concept} number {i},{concept}" for i, concept in enumerate(concepts)]
    (folder / "many.csv").write_text("\n".join(["prompt,concept", *lines, ""]))
    (folder / "many.toml").write_text(SUITE)
    return folder / "many.toml"


def noise(host: Any, guide: Any, jobs: Sequence[Any], starts: Any = None) -> tuple[Any, list[str]]:
    """What `hosts.sample.sample` gives: pictures (B, h, w, 3) uint8, and that nothing is wrong with them."""
    import torch

    size = (len(jobs), jobs[0].sampling.height, jobs[0].sampling.width, 3)
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)), [""] * len(jobs)


def command(*argv: str) -> None:
    """A command of this program whose pictures are noise."""
    from dumo_bench.hosts import sample

    sample.sample = noise
    large.command(*argv)


large.TASKS["noise"] = command


def of_pictures(n: int) -> Iterator[tuple[str, float, float]]:
    with tempfile.TemporaryDirectory() as folder:
        options = ("--method", "uce", "--suite", str(suite(Path(folder), n // 2)), "--out", f"{folder}/out")
        measure = partial(large.child, "noise", script=__file__)
        yield f"generate {n:,} pictures", *measure("generate", *options)
        yield f"generate again, {n:,} pictures there", *measure("generate", *options)
        yield f"score {n:,} pictures", *measure("score", *options, "--scorers", "blank")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, nargs="*", default=[1000, 10000])
    asked = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, one thread\n")
    print("| | processor seconds | peak GiB |\n| --- | ---: | ---: |")
    for n in asked.pictures:
        for name, seconds, peak in of_pictures(n):
            print(f"| {name} | {seconds:.1f} | {peak:.2f} |", flush=True)


if __name__ == "__main__":
    large.measured(sys.argv[2], sys.argv[3:]) if sys.argv[1:2] == ["--child"] else main()
