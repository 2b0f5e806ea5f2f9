"""The sampling loop: a batch of jobs that share a schedule and a size, each with its own noise and guidance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dumo_bench.hosts import samplers
from dumo_bench.hosts.sd import Host, conditions, decode, latents
from dumo_bench.types import Denoiser, Guide, Job


def scheduler(host: Host, name: str, steps: int) -> Any:
    """A fresh scheduler of diffusers by its whole definition, with the host's noise; timesteps set."""
    import diffusers

    sampler = samplers.named(name)
    made = getattr(diffusers, sampler.kind)(**samplers.settings(name, host.schedule))
    made.step = partial(made.step, **sampler.step)
    made.set_timesteps(steps, device=host.device)
    return made


@torch.no_grad()
def denoised(denoise: Denoiser, schedule: Any, z: Tensor) -> Tensor:
    """Run the whole schedule from unit-normal z (B, c, h, w) to clean latents."""
    z = z * schedule.init_noise_sigma
    for t in schedule.timesteps:
        estimate = denoise(schedule.scale_model_input(z, t), t)
        z = schedule.step(estimate, t, z).prev_sample
    return z


def clean(host: Host, guide: Guide, jobs: Sequence[Job]) -> Tensor:
    """Clean latents (B, c, h, w) of jobs that share schedule, steps and size."""
    first = jobs[0].sampling
    noise = [latents(host, j.draw, first.height, first.width, first.noise) for j in jobs]
    given = conditions(host, [j.text for j in jobs], [j.sampling.guidance for j in jobs], first.negative)
    return denoised(guide(given), scheduler(host, first.scheduler, first.steps), torch.cat(noise))


def sample(host: Host, guide: Guide, jobs: Sequence[Job]) -> tuple[Tensor, list[str]]:
    """Pictures (B, h, w, 3) uint8, and of each why it is none: "" where latents and pixels are finite."""
    z = clean(host, guide, jobs)
    pictures, decoded = decode(host, z)
    sampled = z.isfinite().flatten(1).all(1)
    return pictures, [_problem(*both) for both in zip(sampled.tolist(), decoded.tolist(), strict=True)]


def _problem(sampled: bool, decoded: bool) -> str:
    if not sampled:
        return "the latents are not finite"
    return "" if decoded else "the VAE overflows: the decoded picture is not finite"
