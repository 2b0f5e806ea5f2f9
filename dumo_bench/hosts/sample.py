"""The sampling loop: a batch of jobs that share a schedule and a size, each with its own noise and guidance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dumo_bench.hosts import flows, samplers
from dumo_bench.hosts import starts as started
from dumo_bench.hosts.kv_cache import cached
from dumo_bench.hosts.sd import Host, conditions, decode, latents
from dumo_bench.types import Denoiser, Guide, Job, Start


def scheduler(host: Host, name: str, steps: int, size: tuple[int, int] | None = None) -> Any:
    """A fresh scheduler of diffusers by its whole definition, with the host's noise; timesteps set.

    size: of the latents, by which some flow models shift their levels; by default what the host was made for.
    """
    import diffusers

    if host.kind.flow:
        return _flow(host, name, steps, size or (host.side, host.side))
    sampler = samplers.named(name)
    made = getattr(diffusers, sampler.kind)(**samplers.settings(name, host.schedule))
    made.step = partial(made.step, **sampler.step)
    made.set_timesteps(steps, device=host.device)
    return made


def _flow(host: Host, name: str, steps: int, size: tuple[int, int]) -> Any:
    """A scheduler of velocities. It neither scales what the network sees nor the noise that it begins with."""
    import diffusers

    settings, sampler = flows.settings(name, host.schedule), flows.SAMPLERS[name]
    made = getattr(diffusers, sampler.kind)(**settings)
    patches = size[0] * size[1] // host.kind.patch**2
    mu = flows.shift_of(settings, patches) if settings["use_dynamic_shifting"] else None
    if sampler.levels == "even":
        made.set_timesteps(
            sigmas=torch.linspace(1, 1 / steps, steps, dtype=torch.float64).tolist(), mu=mu, device=host.device
        )
    else:
        made.set_timesteps(steps, mu=mu, device=host.device)
    made.init_noise_sigma, made.scale_model_input = 1.0, lambda z, t: z
    return made


@torch.no_grad()
def denoised(denoise: Denoiser, schedule: Any, z: Tensor) -> Tensor:
    """Run the whole schedule from unit-normal z (B, c, h, w) to clean latents."""
    z = z * schedule.init_noise_sigma
    for t in schedule.timesteps:
        estimate = denoise(schedule.scale_model_input(z, t), t)
        z = schedule.step(estimate, t, z).prev_sample
    return z


def clean(host: Host, guide: Guide, jobs: Sequence[Job], starts: Mapping[str, Start] = {}) -> Tensor:
    """Clean latents (B, c, h, w) of jobs that share schedule, steps and size. starts: those that they name."""
    first = jobs[0].sampling
    noise = [latents(host, j.draw, first.height, first.width, first.noise) for j in jobs]
    given = conditions(host, [j.text for j in jobs], [j.sampling.guidance for j in jobs], first.negative)
    z = torch.cat(noise)
    schedule = scheduler(host, first.scheduler, first.steps, (z.shape[2], z.shape[3]))
    if not any(job.start for job in jobs):
        return denoised(cached(guide(given), host.unet), schedule, z)
    rows = [started.Row(starts[job.start] if job.start else Start(), job.draw) for job in jobs]
    return started.denoised(cached(guide(started.said(host, given, rows)), host.unet), schedule, z, rows)


def sample(host: Host, guide: Guide, jobs: Sequence[Job], starts: Mapping[str, Start] = {}) -> tuple[Tensor, list[str]]:
    """Pictures (B, h, w, 3) uint8, and of each why it is none: "" where latents and pixels are finite."""
    z = clean(host, guide, jobs, starts)
    pictures, decoded = decode(host, z)
    sampled = z.isfinite().flatten(1).all(1)
    return pictures, [_problem(*both) for both in zip(sampled.tolist(), decoded.tolist(), strict=True)]


def _problem(sampled: bool, decoded: bool) -> str:
    if not sampled:
        return "the latents are not finite"
    return "" if decoded else "the VAE overflows: the decoded picture is not finite"
