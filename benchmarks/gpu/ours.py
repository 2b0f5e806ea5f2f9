"""Everything that these benchmarks take from the project, in one place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from dumo_bench import progress
from dumo_bench.baselines import esd, receler
from dumo_bench.baselines.rece import RECE
from dumo_bench.baselines.uce import UCE
from dumo_bench.emoji import WEIGHTS
from dumo_bench.hosts import sample, sd
from dumo_bench.hosts.sd import Host
from dumo_bench.kit import adapter
from dumo_bench.methods.dumo import DuMo
from dumo_bench.methods.epr import EPR, denoiser, widths
from dumo_bench.methods.original import Original
from dumo_bench.methods.tlmo import BINS
from dumo_bench.run import work
from dumo_bench.scorers.clip_score import ClipScore
from dumo_bench.scorers.concept import Concept
from dumo_bench.scorers.likeness import Likeness
from dumo_bench.scorers.nudenet import NudeNet
from dumo_bench.storage.store import Store
from dumo_bench.suites import registry
from dumo_bench.types import Conditions, Denoiser, Draw, Guide, Job, Recipe, Sample, Sampling

__all__ = [
    "RECE", "UCE", "WEIGHTS", "ClipScore", "Concept", "Guide", "Host", "Job", "Likeness", "NudeNet", "Sample", "Store",
    "clean", "dumo", "fits", "generate", "jobs", "load_emoji", "original", "pictures", "receler_on", "rows_of_suite",
    "scheduler", "short_plans", "stepwatch", "tiny_clip", "tiny_host",
]  # fmt: skip

PROMPTS = ("a dog", "a photo of a ghost", "a church at night", "a drawing of a camel", "two lemons on a plate")
UNEDITED = Recipe("original", "1", {}, (), 0, "")
clean, pictures = sample.clean, sample.sample


def jobs(n: int, size: int, steps: int, model: str = "sd14") -> list[Job]:
    """n pictures of the unedited model, each with a seed of its own, by DDIM at guidance 7.5."""
    contract = Sampling(model, "ddim", steps, 7.5, size, size)
    return [Job(UNEDITED, PROMPTS[i % len(PROMPTS)], Draw(i), contract) for i in range(n)]


def scheduler(host: Host, steps: int) -> Any:
    """The DDIM scheduler of our loop."""
    return sample.scheduler(host, "ddim", steps)


def generate(host: Host, some: Sequence[Job], folder: Path, batch: int) -> Callable[[Job], Path]:
    """Make PNG files as the command does; gives what tells a job's file."""
    store = Store(folder)
    work.generate(host, Original(), some, store, batch)
    return store.image_path


def original(host: Host) -> Guide:
    """The unedited model's guide."""
    return partial(sd.stock_guide, host)


def dumo(host: Host) -> Guide:
    """DuMo's guide for one concept, its gate open; its 1x1 convolutions are not zero."""
    epr = EPR(host.unet).eval().requires_grad_(False)
    for conv in (*epr.dumo_down_blocks, epr.dumo_mid_block):
        conv.weight.fill_(1e-3)
    table = torch.ones(BINS, len(widths(host.unet.config)), device=host.device)

    def guide(given: Conditions) -> Denoiser:
        return denoiser(host.unet, [(epr, table)], [torch.ones_like(given.guidance)], given)

    return guide


def receler_on(host: Host) -> AbstractContextManager[Any]:
    """Inside, the host's cross-attentions have Receler's adapters of one concept beside them."""
    made = adapter.fresh(host.unet, receler.PLAN.rank, torch.Generator().manual_seed(0))
    for one in made.values():
        one.requires_grad_(False)
    return adapter.attached(host.unet, [made])


def load_emoji(device: str, dtype: torch.dtype) -> Host:
    """The trained model inside the package."""
    return sd.load("emoji-sd", device=device, dtype=str(dtype).removeprefix("torch."))


def rows_of_suite(n: int, dtype: str, steps: int | None) -> list[Sample]:
    """n rows of a suite for emoji-sd, spread over it, as samples whose picture is not made yet."""
    suite = registry.load("emoji-cartoon")
    contract = replace(suite.sampling, dtype=dtype, steps=steps or suite.sampling.steps)
    case = suite.cases[0]
    return [
        Sample(Job(UNEDITED, p.text, p.draws[0], contract), p, p.draws[0], case, suite.role(case, p), Path())
        for p in suite.prompts[:: max(1, len(suite.prompts) // n)][:n]
    ]


def fits(steps: int, inner: int | None) -> Mapping[str, Callable[[Host], Any]]:
    """Trainings of one concept in so many steps, by their name; `inner`: of Receler, None is the paper's 50."""
    words = ("ghost",)
    return {
        "ESD-x": lambda host: esd.ESD(steps=steps).fit(host, words, seed=0),
        "Receler": lambda host: receler.Receler(steps=steps, inner=inner).fit(host, words, seed=0),
        "DuMo": lambda host: DuMo(steps=steps).fit(host, words, seed=0),
    }


def short_plans(host: Host, steps: int, *, checkpointing: bool = True) -> Host:
    """The host on which ESD and Receler learn from latents that no run was sampled for, and DuMo samples few prompts.

    So a step is its losses alone; what its on-policy sampling costs is a number of guided steps, measured apart.
    """
    own = {"table_steps": steps, "harvest": 1, "retain_prompts": 2, "checkpointing": checkpointing}
    return replace(host, plans={"esd": {"run": {"steps": 1}}, "receler": {"run": {"steps": 1}}, "dumo": own})


@contextmanager
def stepwatch(finish: Callable[[], None]) -> Iterator[dict[str, list[float]]]:
    """The seconds of every step of the trainings inside, by the first word of their label; `finish` ends a step."""
    found: dict[str, list[float]] = {}

    def track(items: Iterable[Any], label: str, total: int | None = None) -> Iterator[Any]:
        del total
        for item in items:
            began = time.perf_counter()
            yield item
            finish()
            found.setdefault(label.split(maxsplit=1)[0], []).append(time.perf_counter() - began)

    with patch.object(progress, "track", track):
        yield found


def tiny_host() -> Host:
    """The tests' random model of SD 1.x's topology."""
    import tiny

    return tiny.host()


def tiny_clip(folder: Path) -> Path:
    """The tests' random CLIP, saved."""
    import tiny_models

    return tiny_models.clip(folder)
