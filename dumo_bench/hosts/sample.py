"""The sampling loop: a batch of jobs that share a schedule and a size, each with its own noise and guidance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host, conditions, decode, latents
from dumo_bench.types import Denoiser, Guide, Job

#: names of samplers that draw nothing while sampling -> diffusers class and its settings
SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "euler": ("EulerDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
}


def scheduler(host: Host, name: str, steps: int) -> Any:
    """A fresh scheduler with the host's noise schedule, timesteps set."""
    import diffusers

    if name not in SCHEDULERS:
        raise UserError(f"no scheduler is called {name!r}; known: {', '.join(sorted(SCHEDULERS))}")
    kind, settings = SCHEDULERS[name]
    made = getattr(diffusers, kind).from_config(dict(host.schedule), **settings)
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


def sample(host: Host, guide: Guide, jobs: Sequence[Job]) -> tuple[Tensor, Tensor]:
    """Pictures (B, h, w, 3) uint8, and which of them are finite (B,) bool."""
    z = clean(host, guide, jobs)
    finite = z.isfinite().flatten(1).all(1)
    return decode(host, z.nan_to_num(0)), finite.cpu()
