"""Latents to learn from: sampled by the model as it is being edited, each with a timestep that fits its noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice, pairwise
from typing import Any, ClassVar, Literal, TypeAlias

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts import flows
from dumo_bench.hosts.kv_cache import cached
from dumo_bench.hosts.sd import Host, conditions, encode, tokens
from dumo_bench.types import Guide, Sampling

Alignment: TypeAlias = Literal["bin", "level", "compvis"]

Say: TypeAlias = Callable[[int], tuple[list[str], list[str]]]  # so many prompts, each with its anchor


@dataclass(frozen=True, slots=True)
class Latents:
    """Latents with their timesteps and texts: z (n, c, h, w), t (n,), context and anchor (n, rows, d).

    t is whole on models of noise, any number up to 1000 on flow models. ids (n, 77): the tokens of the text whose
    context it is.
    """

    z: Tensor
    t: Tensor
    context: Tensor
    anchor: Tensor
    ids: Tensor

    def __len__(self) -> int:
        return len(self.z)

    @property
    def said(self) -> tuple[Tensor, Tensor, Tensor]:
        """What belongs to the texts: context, anchor, ids."""
        return self.context, self.anchor, self.ids

    def rows(self, index: Tensor | slice) -> Latents:
        return Latents(*(getattr(self, f.name)[index] for f in fields(Latents)))

    def draw(self, n: int, g: torch.Generator) -> Latents:
        """n rows with replacement."""
        return self.rows(torch.randint(len(self), (n,), generator=g))

    def saying(self, host: Host, texts: Sequence[str]) -> Latents:
        """The same latents, said to be of other texts."""
        return replace(self, context=encode(host, texts), ids=tokens(host, texts)[0])

    @staticmethod
    def joined(parts: Sequence[Latents]) -> Latents:
        return Latents(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Latents)))


def estimate(unet: Any, z: Tensor, t: Tensor, context: Tensor) -> Tensor:
    """The estimate (n, c, h, w) of latents z at timesteps t, without guidance: of the noise, or of the velocity."""
    out: Tensor = unet(z, t, encoder_hidden_states=context).sample
    return out


@dataclass(frozen=True, slots=True)
class Trajectory:
    """How on-policy latents are sampled. `side`: of the latents, in sides of those the model was made for.

    `align` says which timestep a stopped run's latents are given. "bin": any of the 1000 / steps timesteps whose noise
    is nearest to theirs; "level": exactly the one they stand at; "compvis": as the published training loops have it,
    about 49 of 1000 noisier than the latents are, for whoever repeats their numbers. On flow models the levels are
    uneven and a bin reaches to the middle between neighbours; there a sampler of noise stands for the model's own.
    """

    bounds: ClassVar[Mapping[str, str]] = {"steps": "[1, inf)", "guidance": "[0, inf)", "side": "(0, inf)"}

    steps: int = 20
    guidance: float = 3.0
    sampler: str = "ddim"
    side: float = 1
    align: Alignment = "bin"


def under(host: Host, contract: Sampling) -> Trajectory:
    """How latents are sampled as a contract's pictures are, which are square."""
    return Trajectory(contract.steps, contract.guidance, contract.scheduler, contract.height / host.factor / host.side)


@torch.no_grad()
def levels(
    host: Host, guide: Guide, texts: Sequence[str], plan: Trajectory, g: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Latents (n, c, h, w) before every step of a run, with their timestep, and at last the clean ones, at 0.

    Lazy: whoever takes k + 1 of them has paid for k calls of the denoiser.
    """
    from dumo_bench.hosts.sample import scheduler

    size, late = round(plan.side * host.side), plan.align == "compvis"  # that loop begins one step late
    if late and host.kind.flow:
        raise UserError(f"align 'compvis' is of loops of Stable Diffusion, not of {host.kind.title}: take bin or level")
    schedule = scheduler(host, flows.fitting(plan.sampler, host.kind), plan.steps, (size, size))
    denoise = cached(guide(conditions(host, texts, [plan.guidance] * len(texts))), host.unet)
    z = torch.randn(len(texts), host.channels, size, size, generator=g).to(host.device, host.dtype)
    for t in schedule.timesteps[late:]:
        yield z, t
        z = schedule.step(denoise(z, t), t, z).prev_sample
    yield z, torch.zeros_like(t)


def trajectory(
    host: Host, guide: Guide, texts: Sequence[str], anchors: Sequence[str], plan: Trajectory, g: torch.Generator
) -> Latents:
    """On-policy latents: one run of the guide's model, every level kept with the timestep it belongs to."""
    said = _said(host, texts, anchors)
    whole = replace(plan, align="bin")  # nothing is skipped
    run = islice(levels(host, guide, texts, whole, g), plan.steps)
    return Latents.joined([Latents(z, t.expand(len(texts)), *said) for z, t in run])


def _said(host: Host, texts: Sequence[str], anchors: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
    """Context, anchor and tokens."""
    return encode(host, texts), encode(host, anchors), tokens(host, texts)[0]


@torch.no_grad()
def harvest(host: Host, guide: Guide, say: Say, n: int, plan: Trajectory, g: torch.Generator) -> Latents:
    """On-policy latents of every level of n runs, the early ones each with a prompt of its own in place of the run's.

    What is learnt of few prompts stays with their words, and runs are dear, while prompts cost nothing. (DuMo made 0.6
    of the change wanted of the prompts it had seen of emoji-sd's noto, and 0.35 of that of others.)
    """
    rows = trajectory(host, guide, *say(n), plan, g)
    early = (rows.t >= host.kind.early).nonzero()[:, 0]
    if not len(early):  # a run of few steps may have none
        return rows
    own = _said(host, *say(len(early)))
    context, anchor, ids = (was.index_copy(0, early, new) for was, new in zip(rows.said, own, strict=True))
    return replace(rows, context=context, anchor=anchor, ids=ids)


def till(
    host: Host, guide: Guide, texts: Sequence[str], plan: Trajectory, k: int, g: torch.Generator
) -> tuple[Tensor, float]:
    """Latents (n, c, h, w) after exactly k of the plan's steps, and the timestep they stand at."""
    z, level = next(islice(levels(host, guide, texts, plan, g), k, None))
    return z, float(level) if host.kind.flow else int(level)


def stopped(
    host: Host, guide: Guide, texts: Sequence[str], anchors: Sequence[str], plan: Trajectory, g: torch.Generator
) -> Latents:
    """On-policy latents of one level, which is drawn: a run that stops there."""
    k = int(torch.randint(plan.steps, (1,), generator=g))
    late = plan.align == "compvis"  # there k counts the bins from the clean end, and the run overshoots
    z, t = till(host, guide, texts, plan, min(plan.steps - k, plan.steps - 1) if late else k, g)
    if plan.align != "level" and host.kind.flow:
        t = nearby(host, plan, k, g)
    elif plan.align != "level":
        width = int(host.schedule["num_train_timesteps"]) // plan.steps
        t = width * (k if late else int(t) // width) + int(torch.randint(width, (1,), generator=g))
    return Latents(z, torch.full((len(texts),), t, device=z.device), *_said(host, texts, anchors))


def nearby(host: Host, plan: Trajectory, k: int, g: torch.Generator) -> float:
    """A timestep that is nearer to the k-th level of a flow model's run than to its neighbours."""
    from dumo_bench.hosts.sample import scheduler

    size = round(plan.side * host.side)
    every: list[float] = scheduler(
        host, flows.fitting(plan.sampler, host.kind), plan.steps, (size, size)
    ).timesteps.tolist()
    bounds = [every[0], *((a + b) / 2 for a, b in pairwise(every)), 0.0]
    return bounds[k + 1] + (bounds[k] - bounds[k + 1]) * float(torch.rand(1, generator=g))
