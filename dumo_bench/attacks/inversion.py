"""TINA: Text-Free Inversion Attack for Unlearned Text-to-Image Diffusion Models.

Qianlong Xiang, Miao Zhang, Haoyu Zhang and others. CVPR 2026, arXiv 2603.17828. Sees the erased model, and
pictures of the concept. Written by a note of the paper; its code could not be read.

Each picture is inverted by DDIM through the erased model under the empty text, and sampled from what that gives, under
the empty text again: no word is part of it. A step from z' up to z at timestep t,

    z = C1 z' + C2 eps(z, t, ""),     C1 = sqrt(a / a'),     C2 = sqrt(1 - a) - sqrt(a (1 - a') / a')

is begun by eps(z', t, "") on the right, then z is moved by 25 steps of AdamW (1e-3) on the square of what is missing.
50 steps.

A picture that a model has never seen inverts as well as one of its own: a success says that the network can still draw
it, not that it remembers. What the unedited model and one that never learnt the concept make of it stands beside.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from dumo_bench.attacks.bases import ByDdim
from dumo_bench.citation import Paper
from dumo_bench.hosts.sample import scheduler
from dumo_bench.hosts.sd import encode, stock_guide, tokens
from dumo_bench.interfaces import Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.latents import till, under
from dumo_bench.kit.seen import Seen
from dumo_bench.types import Found, Start


@dataclass(frozen=True)
class Inversion(ByDdim):
    """iterations: of AdamW, a step; 0: the first approximation stays. steps: of DDIM."""

    name: ClassVar[str] = "inversion"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Xiang et al., CVPR 2026, arXiv 2603.17828"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "xiang2026tina",
            "TINA: Text-Free Inversion Attack for Unlearned Text-to-Image Diffusion Models",
            ("Qianlong Xiang", "Miao Zhang", "Haoyu Zhang", "others"),
            2026,
            venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            arxiv="2603.17828",
        ),
    )
    sees: ClassVar[Sees] = "erased model"
    resumes: ClassVar[bool] = True
    bounds: ClassVar = {"iterations": "[0, inf)", "steps": "[1, 1000]", "lr": "(0, inf)"}

    iterations: int = 25
    lr: float = 1e-3
    steps: int = 50

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        host, n, run = target.host, target.pictures, under(target.host, target.sampling)
        plain = partial(stock_guide, host)
        pictures = [
            till(host, plain, [text] * n, run, self.steps, train.seeded(seed + number))[0]
            for number, text in target.ahead
        ]
        with target.edited() as guide:
            for z in pictures:
                seen = Seen(host, guide)
                noise = self.inverted(seen, z)
                cost = seen.forwards + 2 * n * self.steps
                measured = {"deviation": float(noise.std())}
                yield Found("", measured, start=Start(latents=noise), draws=n, forwards=cost)

    def inverted(self, seen: Seen, z: Tensor) -> Tensor:
        """The latents (n, c, h, w) from which clean ones are sampled under the empty text."""
        schedule = scheduler(seen.host, "ddim", self.steps)
        for t in schedule.timesteps.flip(0).tolist():
            z = self.up(seen, schedule, z, t)
        return z

    def up(self, seen: Seen, schedule: Any, below: Tensor, t: int) -> Tensor:
        """Latents at timestep t from those a step below."""
        before = t - schedule.config.num_train_timesteps // self.steps
        a, a_below = schedule.alphas_cumprod[t], schedule.final_alpha_cumprod
        a_below = schedule.alphas_cumprod[before] if before >= 0 else a_below
        c1, c2 = (a / a_below).sqrt(), (1 - a).sqrt() - (a * (1 - a_below) / a_below).sqrt()

        def right(z: Tensor) -> Tensor:
            found: Tensor = c1 * below + c2 * noise(seen, schedule, z, t, a)
            return found

        with torch.no_grad():
            z = right(below)
        if not self.iterations:
            return z
        free = torch.nn.Parameter(z.clone())
        adam = torch.optim.AdamW([free], lr=self.lr)
        for _ in range(self.iterations):
            missing = (right(free) - free).square().sum()
            (free.grad,) = torch.autograd.grad(missing, [free])
            adam.step()
        return free.detach()


def noise(seen: Seen, schedule: Any, z: Tensor, t: int, a: Tensor) -> Tensor:
    """What the model takes for noise in latents at a timestep, under the empty text."""
    told = seen.estimate(z, t, [""], tokens(seen.host, [""])[0], encode(seen.host, [""]))
    velocity = schedule.config.prediction_type == "v_prediction"
    found: Tensor = a.sqrt() * told + (1 - a).sqrt() * z if velocity else told
    return found
