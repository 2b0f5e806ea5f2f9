"""Ratios of speed that hold on any machine, each measured side by side in one run, its ways in turns.

    python benchmarks/ratios.py [--device auto] [--pictures 64] [--rounds 5] [--only WAY...] [--processor]

generate: seconds of `generate`, with noise, texts, checks, encoding and writing, over those of the U-Net and the VAE
alone on the same batches; these make keys and values of the text at every step, or once, as `generate` does. usual:
pictures a second of `generate` over those of the usual script, diffusers' pipeline with one prompt at a time, each
saved. ray: pictures a second of two one-core workers over those of one, once each has made a batch, so that starting
does not count; the real command. cores: that of a one-core worker for each core over the usual script, whose torch
uses all cores. emoji-sd in 20 steps, batches of 16 (of 4 in ray); sums over the rounds.
--processor counts processor seconds, for a machine that is not idle: it sees neither waiting for the disk nor what
overlaps. All scorers in one pass: benchmarks/scoring.py.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dumo_bench.hosts import device, kv_cache, sample, sd
from dumo_bench.methods.original import Original
from dumo_bench.run import work
from dumo_bench.storage.store import Store
from dumo_bench.types import Draw, Job, Recipe, Sampling

BATCH, STEPS = 16, 20
RUN = "import sys; from dumo_bench.cli.app import main; main(sys.argv[1:])"


def jobs(n: int) -> list[Job]:
    contract = Sampling("emoji-sd", "ddim", STEPS, 2.5, 64, 64)
    recipe = Recipe("original", "1", {}, (), 0, "")
    return [Job(recipe, "a ghost in noto style", Draw(i), contract) for i in range(n)]


def synchronised(host: sd.Host) -> None:
    if host.device.type == "cuda":
        torch.cuda.synchronize()


def generate(host: sd.Host, n: int) -> None:
    with TemporaryDirectory() as name:
        work.generate(host, Original(), jobs(n), Store(Path(name)), BATCH)


@torch.no_grad()
def networks(host: sd.Host, n: int, keep: bool) -> None:
    """The U-Net, both halves of the guidance, and the VAE: nothing else of sampling n pictures.

    keep: with the keys and values of the text made once a batch, as `generate` does it, not at every step.
    """
    schedule = sample.scheduler(host, "ddim", STEPS)
    context = sd.encode(host, ["a ghost in noto style"]).expand(2 * BATCH, -1, -1).contiguous()
    z = torch.randn(BATCH, host.unet.config.in_channels, 64 // host.factor, 64 // host.factor).to(
        host.device, host.dtype
    )

    def plain(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return host.estimate(torch.cat([z, z]), t, context)

    for _ in range(-(-n // BATCH)):
        step = kv_cache.cached(plain, host.unet) if keep else plain
        for t in schedule.timesteps:
            step(z, t)
        for part in z.to(host.vae.dtype).split(next(k for k in range(sd.CHUNK, 0, -1) if BATCH % k == 0)):
            host.vae.decode(part)
    synchronised(host)


def usual(host: sd.Host, n: int) -> Callable[[], None]:
    """The script of most repositories: a pipeline, a loop over prompts, a file each."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    pipe = StableDiffusionPipeline(
        vae=host.vae,
        text_encoder=host.text_encoder,
        tokenizer=host.tokenizer,
        unet=host.unet,
        scheduler=DDIMScheduler.from_config(dict(host.schedule)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)

    def script() -> None:
        with TemporaryDirectory() as name:
            for job in jobs(n):
                g = torch.Generator().manual_seed(job.draw.seed)
                picture = pipe(
                    job.text, height=64, width=64, num_inference_steps=STEPS, guidance_scale=2.5, generator=g
                ).images[0]
                picture.save(Path(name) / f"{job.draw.seed}.png")

    return script


def turns(
    ways: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of each way in each round, after one that does not count; the order turns with the rounds."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for n in range(rounds + 1):
        for name, way in list(ways.items())[:: 1 if n % 2 else -1]:
            began = clock()
            way()
            if n:
                taken[name].append(clock() - began)
    return taken


def told(name: str, slow: list[float], quick: list[float], aim: str) -> None:
    """The ratio of the sums, and the least and the largest ratio of a round."""
    each = [one / other for one, other in zip(slow, quick, strict=True)]
    print(f"| {name} | {sum(slow) / sum(quick):.2f} | {min(each):.2f} to {max(each):.2f} | {aim} |", flush=True)


def rate(workers: int, n: int, batch: int) -> float:
    """Pictures a second of the command on a cluster of so many cores, once each worker has made its first batch."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": workers, "include_dashboard": False})
    argv = ["generate", "-m", "original", "-s", "emoji-unsafe", "--limit", str(n), "--device", "cpu"]
    argv += ["--engine", "ray", "--address", cluster.address, "--batch-size", str(batch)]
    try:
        with TemporaryDirectory() as name:
            subprocess.run([sys.executable, "-c", RUN, *argv, "-o", name], check=True, capture_output=True)
            times = sorted(path.stat().st_mtime for path in Path(name).glob("images/*/*.png"))
        first = workers * batch
        return (len(times) - first) / (times[-1] - times[first - 1])
    finally:
        cluster.shutdown()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--device", default="auto")
    asked.add_argument("--pictures", type=int, default=64)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--only", nargs="+", default=["generate", "usual", "ray", "cores"])
    asked.add_argument(
        "--processor", action="store_true", help="count processor seconds: for a machine that is not idle"
    )
    given = asked.parse_args()
    clock = time.process_time if given.processor else time.perf_counter
    host = sd.load("emoji-sd", device=device.use(given.device))
    n = given.pictures
    counted = "processor seconds" if given.processor else "seconds by the clock"
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {host.device}, load {os.getloadavg()[0]:.1f}")
    print(f"{counted}\n")
    print("| ratio | all rounds | each round | aim |\n| --- | ---: | ---: | ---: |", flush=True)
    if "generate" in given.only:
        ways = {"generate": lambda: generate(host, n)}
        ways |= {"plain": lambda: networks(host, n, False), "kept": lambda: networks(host, n, True)}
        taken = turns(ways, given.rounds, clock)
        told("generate over U-Net and VAE, seconds", taken["generate"], taken["plain"], "<= 1.03")
        told("the same, keys and values of the text made once in both", taken["generate"], taken["kept"], "<= 1.03")
    if "usual" in given.only:
        few = usual(host, n // 4)
        taken = turns({"usual": few, "generate": lambda: generate(host, n)}, given.rounds, clock)
        told("generate over the usual script, pictures/s", [4 * s for s in taken["usual"]], taken["generate"], ">= 6")
    if {"ray", "cores"} & set(given.only):
        os.environ.update(RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1")
    if "ray" in given.only:
        pairs = [(rate(1, n, 4), rate(2, n, 4)) for _ in range(max(1, given.rounds // 2))]
        one, two = ([1 / pair[k] for pair in pairs] for k in (0, 1))
        told("Ray, two one-core workers over one, pictures/s", one, two, ">= 1.6")
    if "cores" in given.only:
        script, cores = usual(host, n // 4), len(os.sched_getaffinity(0))
        alone = turns({"usual": script}, max(1, given.rounds // 2))["usual"]
        rates = [rate(cores, 3 * n, BATCH) for _ in alone]
        each = [4 * taken / n for taken in alone], [1 / found for found in rates]
        told("Ray, a one-core worker a core, over the usual script, pictures/s", *each, ">= 6")
    print(f"\nload at the end {statistics.fmean(os.getloadavg()[:2]):.1f}")


if __name__ == "__main__":
    main()
