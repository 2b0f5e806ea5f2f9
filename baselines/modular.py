"""Modular LoRA, a reconstruction: adapters learnt apart on the clean model, added when pictures are drawn.

Sanghyun Kim, Moonseok Choi, Jinwoo Shin, Juho Lee. Safety Alignment Backfires: Preventing the Re-emergence of
Suppressed Concepts in Fine-tuned Text-to-Image Diffusion Models. arXiv 2412.00357.

What fine-tunes a model on top of an erasing LoRA D learns to undo it. So the fine-tuning LoRA D* is learnt on the clean
weights W alone, and the two meet at inference:

    modular:     W + D + D*,   D and D* each learnt on W
    sequential:  W + D + D',   D' learnt on W + D

The formula is the paper's. No code of it is public and its settings were not at hand: rank 4 on the cross-attentions'
queries, keys and values, 1,500 and 5,000 steps of 1e-4 are second-hand. D is ESD's loss, against what it is learnt on,

    | eps_D(z, t, c) - (e_0 - eta (e_c - e_0)) |^2,

a LoRA a concept. D* learns to denoise pictures of the captions `tune`, | eps(z_t, t, c) - noise |^2; here the unedited
model drew them, where the paper has other people's pictures. Without `tune` it composes the erasing LoRAs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, fits, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.kit import embeddings, lesson, lora, train
from dumo_bench.kit.latents import Trajectory, estimate
from dumo_bench.kit.lesson import Lesson, away, unchanged
from dumo_bench.kit.pictures import drawn
from dumo_bench.types import Edit, Guide

LAYERS = ("to_q", "to_k", "to_v")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Plan):
    """steps: of each erasing LoRA; tune_steps: of the fine-tuning one, on so many pictures; both at lr and rank."""

    bounds: ClassVar[Mapping[str, str]] = {
        **lesson.Plan.bounds, "rank": "[1, inf)", "tune_steps": "[0, inf)", "pictures": "[1, inf)",
    }  # fmt: skip

    rank: int = 4
    tune_steps: int = 5000
    pictures: int = 200


PLAN = Plan(steps=1500, lr=1e-4, run=Trajectory(50))


@dataclass(frozen=True)
class ModularLoRA(Method):
    """compose: how the LoRAs are learnt and meet; tune: captions, `@objects` or `@styles`, that D* learns to draw.

    retain: weight of prompts that must stay while erasing, 0 in ESD; strength: what all LoRAs are multiplied by. None
    takes the plan's own.
    """

    name: ClassVar[str] = "modular"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = (
        "Kim et al., arXiv 2412.00357 (reconstruction: the paper's formula, settings second-hand or ours)"
    )
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "kim2024modular",
            "Safety Alignment Backfires: Preventing the Re-emergence of Suppressed Concepts in Fine-tuned "
            "Text-to-Image Diffusion Models",
            ("Sanghyun Kim", "Moonseok Choi", "Jinwoo Shin", "Juho Lee"),
            2024,
            arxiv="2412.00357",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("modular",)
    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "tune_steps", "retain"), "[0, inf)"),
        "lr": "(0, inf)", "rank": "[1, inf)", "pictures": "[1, inf)", "ema": "[0, 1)",
    }  # fmt: skip

    compose: Literal["modular", "sequential"] = "modular"
    tune: tuple[str, ...] = ()
    eta: float = 1.0
    steps: int | None = None
    tune_steps: int | None = None
    lr: float | None = None
    rank: int | None = None
    pictures: int | None = None
    retain: float | None = None
    ema: float | None = None
    strength: float = 1.0

    def plan(self, host: Host) -> Plan:
        """Second-hand numbers, with the host's own and this method's settings."""
        return plans.plan(host.plans, self.name, PLAN, **{name: getattr(self, name) for name in self.bounds})

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, sets, curves = self.plan(host), list[lora.Set](), {}
        captions = embeddings.strings(host, self.tune, ())
        for what in (*erase, *(["tune"] if captions else [])):
            g = train.seeded(seed)  # of its own, so that what is learnt first leaves no trace in what is learnt apart
            fresh = lora.fresh(host.unet, lora.cross_attentions(host.unet, LAYERS), plan.rank, g)
            under = Stack(host, sets[:] if self.compose == "sequential" else [])
            loss: Erasing | Tuning
            if len(sets) < len(erase):
                loss = Erasing(under, plan, what, self.eta, fresh, g)
                how, memory = plan.fit(f"LoRA without {what}"), loss.lesson
            else:
                loss = Tuning(under, plan, captions, fresh, g)
                how, memory = train.Fit(plan.tune_steps, plan.lr, "fine-tuning LoRA", plan.ema), None
            curves[what] = train.fit(loss, lora.parameters(fresh), how, g, memory)
            sets.append({name: pair.requires_grad_(False) for name, pair in fresh.items()})
        header = {"sets": len(sets), "gate": "off", "compose": self.compose, "curves": curves}
        return Edit(lora.tensors(sets), {**header, "groups": [[c] for c in erase] + [captions] * bool(captions)})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        yield lora.gated(host, edit, self.strength)


@dataclass(frozen=True, slots=True)
class Stack:
    """A U-Net with the LoRAs that are learnt on."""

    host: Host
    sets: Sequence[lora.Set]

    def with_(self, *more: lora.Set) -> Callable[..., Any]:
        """The U-Net with them and more."""

        def run(*args: Any, **kwargs: Any) -> Any:
            with lora.attached(self.host.unet, [*self.sets, *more]):
                return self.host.unet(*args, **kwargs)

        return run


class Erasing:
    """ESD's loss of one concept, of a LoRA on top of a stack."""

    def __init__(self, under: Stack, plan: Plan, concept: str, eta: float, own: lora.Set, g: torch.Generator) -> None:
        self.host, self.under, self.plan, self.eta, self.own = under.host, under, plan, eta, own
        self.lesson = Lesson(under.host, plan, [concept], g)

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        frozen, student = self.under.with_(), self.under.with_(self.own)
        with lora.attached(self.host.unet, [*self.under.sets, self.own]):
            rows, retained = self.lesson.rows(step, partial(stock_guide, self.host), g)
        loss = away(frozen, student, rows, self.eta)
        if self.host.apart:
            loss = loss + self.host.apart(self.own)
        return loss if retained is None else loss + self.plan.retain * unchanged(frozen, student, retained)


class Tuning:
    """The denoising loss of a LoRA on top of a stack, on pictures that the unedited model draws of captions."""

    def __init__(self, under: Stack, plan: Plan, captions: Sequence[str], own: lora.Set, g: torch.Generator) -> None:
        self.plan, self.student = plan, under.with_(own)
        self.pictures = drawn(under.host, train.choose(captions, plan.pictures, g), plan.run, g)

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        which = torch.randint(len(self.pictures.z), (self.plan.rows,), generator=g)
        t = torch.randint(self.pictures.levels, which.shape, generator=g)
        z, wanted = self.pictures.noised(which, t, g)
        return F.mse_loss(estimate(self.student, z, t.to(z.device), self.pictures.contexts(which)), wanted)
