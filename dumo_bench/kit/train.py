"""Training blocks shared by erasers that learn: on-policy latents, the prompts to learn from, the fit loop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dumo_bench import progress
from dumo_bench.sd import Host, conditions, encode
from dumo_bench.types import Guide

#: contexts for a host that says nothing of its own vocabulary
TEMPLATES = (
    "{}",
    "a photo of {}",
    "a painting of {}",
    "a picture of {} at night",
    "a drawing of {} on white paper",
    "a close view of {}",
    "{} in a garden",
    "{} beside a window",
)
PLAIN = (
    "a bowl of fruit on a table",
    "a street after the rain",
    "an old man reading",
    "a red bicycle against a wall",
    "mountains at dawn",
    "two children on a beach",
    "a dog asleep on a sofa",
    "an oil painting of a harbour",
    "a glass tower",
    "a bird on a branch",
    "a plate of noodles",
    "a portrait of a woman with a hat",
    "a wooden chair",
    "a map of an island",
    "a train in the snow",
    "a city seen from above",
)


@dataclass(frozen=True, slots=True)
class Latents:
    """Latents with their timesteps and texts: z (n, c, h, w), t (n,) long, context and anchor (n, 77, d)."""

    z: Tensor
    t: Tensor
    context: Tensor
    anchor: Tensor

    def __len__(self) -> int:
        return len(self.z)

    def rows(self, index: Tensor) -> Latents:
        return Latents(self.z[index], self.t[index], self.context[index], self.anchor[index])

    @staticmethod
    def joined(parts: Sequence[Latents]) -> Latents:
        return Latents(*(torch.cat([getattr(p, f) for p in parts]) for f in ("z", "t", "context", "anchor")))


def mentions(text: str, concept: str) -> bool:
    """Whether the concept stands in the text as whole words, in any case."""
    return re.search(rf"\b{re.escape(concept)}\b", text, re.IGNORECASE) is not None


def without(text: str, concepts: Iterable[str]) -> str:
    """The text with the concepts' words taken out, and what that leaves tidied."""
    for concept in concepts:
        text = re.sub(rf"\b(an? )?{re.escape(concept)}\b", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip(" ,")


def prompts(host: Host, concepts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Prompts that mention one of the concepts, and prompts that mention none.

    They come from the host's own world where it has one, else from general templates.
    """
    own = host.world.get("prompts", ())
    naming = [p for p in own if any(mentions(p, c) for c in concepts)]
    if not naming:
        naming = [t.format(c) for c in concepts for t in TEMPLATES]
    plain = [p for p in own or PLAIN if not any(mentions(p, c) for c in concepts)]
    return naming, [*plain, ""]


def choose(items: Sequence[str], n: int, g: torch.Generator) -> list[str]:
    """n items drawn with replacement."""
    return [items[int(i)] for i in torch.randint(len(items), (n,), generator=g)]


@torch.no_grad()
def trajectory(
    host: Host, guide: Guide, texts: Sequence[str], anchors: Sequence[str], plan: Trajectory, g: torch.Generator
) -> Latents:
    """On-policy latents: one DDIM run of the guide's model, every level kept with the timestep it belongs to."""
    from dumo_bench.sample import scheduler

    schedule = scheduler(host, "ddim", plan.steps)
    given = conditions(host, texts, [plan.guidance] * len(texts))
    towards = encode(host, anchors)
    denoise = guide(given)
    size = host.unet.config.sample_size
    z = torch.randn(len(texts), host.unet.config.in_channels, size, size, generator=g).to(host.device, host.dtype)
    kept = []
    for step, t in enumerate(schedule.timesteps):
        kept.append(Latents(z, t.expand(len(texts)), given.cond, towards))
        z = schedule.step(denoise(z, t, step), t, z).prev_sample
    return Latents.joined(kept)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """How on-policy latents are sampled."""

    steps: int = 20
    guidance: float = 3.0


def fit(
    loss: Callable[[int, torch.Generator], Tensor], params: Iterable[nn.Parameter], plan: Fit, g: torch.Generator
) -> list[float]:
    """Adam on `params`; returns the loss of every step. Nothing else is given a gradient."""
    free = list(params)
    optimiser = torch.optim.Adam(free, lr=plan.lr)
    curve: list[float] = []
    for step in progress.track(range(plan.steps), plan.label, plan.steps):
        value = loss(step, g)
        optimiser.zero_grad(set_to_none=True)
        for p, grad in zip(free, torch.autograd.grad(value, free, allow_unused=True), strict=True):
            p.grad = grad
        optimiser.step()
        curve.append(float(value.detach()))
    return curve


@dataclass(frozen=True, slots=True)
class Fit:
    """Length and rate of a fit."""

    steps: int
    lr: float
    label: str = "fit"


def seeded(seed: int) -> torch.Generator:
    """The one generator of a fit."""
    return torch.Generator().manual_seed(seed)
