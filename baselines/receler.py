"""Receler: Reliable Concept Erasing of Text-to-Image Diffusion Models via Lightweight Erasers.

Chi-Pin Huang, Kai-Po Chang, Chung-Ting Tsai, Yung-Hsuan Lai, Fu-En Yang, Yu-Chiang Frank Wang. ECCV 2024,
arXiv 2311.17717.

A small adapter E beside every cross-attention of a frozen model. In an outer step, vectors after the prompt are moved
`inner` times to bring the concept back, and in the last of these passes the adapters learn

    | e_n - (e_0 - gamma (e_p - e_0)) |^2  +  reg * mean over layers of mean_{outside M} |E(h)|^2

    e_n = eps(z, t, p + vectors) with the adapters,    e_p = eps0(z, t, p),    e_0 = eps0(z, t, "") without

where M is where the frozen model looks while it reads the concept. Structure, losses and numbers follow the published
code; latents and timesteps agree, which they do not there. Several concepts: the sum of adapters of one each; of more
than `Plan.separate`, adapters that learn one of them an outer step, as the published code takes all I2P words for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, fits, stock_guide, tokens
from dumo_bench.interfaces import Method
from dumo_bench.kit import adapter, attention, lesson, train
from dumo_bench.kit.adapter import Adapter
from dumo_bench.kit.latents import Latents, Trajectory, estimate
from dumo_bench.kit.lesson import Lesson, unchanged
from dumo_bench.kit.resume import Together
from dumo_bench.kit.tokens import Suffix, after, words
from dumo_bench.types import Edit, Guide

#: published. The decay is in Adam's gradient, and where gradients are small it is nearly all of it: on emoji-sd 5e-2 to
#: 1e-5, and vectors that only shrank came as near to the concept as attacking ones.
VECTORS, ATTACK_RATE, ATTACK_DECAY = 16, 0.1, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Plan):
    """steps: outer ones, of `inner` each; rank: of the adapters.

    cells: the mask is made of the attention maps whose side is the latents' over this, or nearest to it. plain: the
    share of rows that is not attacked. separate: up to so many concepts have adapters of their own.
    """

    bounds: ClassVar[Mapping[str, str]] = {
        **lesson.Plan.bounds, **dict.fromkeys(("inner", "rank", "cells", "separate"), "[1, inf)"), "plain": "[0, 1)",
    }  # fmt: skip

    inner: int
    rank: int
    cells: int = 4
    plain: float = 0.0
    separate: int = 3


PLAN = Plan(steps=500, inner=50, lr=3e-4, rank=128, run=Trajectory(50))


@dataclass(frozen=True)
class Receler(Method):
    """gamma: how far beyond the empty prompt the target lies, ESD's eta; reg, threshold: of the mask's regulariser.

    steps, inner: outer and inner iterations; retain: weight of prompts that must stay, 0 in the paper; strength: what
    the adapters are multiplied by at inference. None takes the host's plan.
    """

    name: ClassVar[str] = "receler"
    version: ClassVar[str] = "4"
    cite: ClassVar[str] = "Huang et al., ECCV 2024, arXiv 2311.17717"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "huang2024receler",
            "Receler: Reliable Concept Erasing of Text-to-Image Diffusion Models via Lightweight Erasers",
            (
                "Chi-Pin Huang",
                "Kai-Po Chang",
                "Chung-Ting Tsai",
                "Yung-Hsuan Lai",
                "Fu-En Yang",
                "Yu-Chiang Frank Wang",
            ),
            2024,
            venue="European Conference on Computer Vision",
            arxiv="2311.17717",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("receler",)
    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    bounds: ClassVar[Mapping[str, str]] = {
        "reg": "[0, inf)", "threshold": "[0, 1]", "steps": "[0, inf)", "lr": "(0, inf)", "rank": "[1, inf)",
        "inner": "[1, inf)",  # the eraser learns in the last inner step
        "retain": "[0, inf)",
    }  # fmt: skip

    gamma: float = 1.0
    reg: float = 0.1
    threshold: float = 0.1
    steps: int | None = None
    inner: int | None = None
    lr: float | None = None
    rank: int | None = None
    retain: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The paper's plan with the host's own numbers and this method's settings."""
        own = {name: getattr(self, name) for name in ("steps", "inner", "lr", "rank", "retain")}
        return plans.plan(host.plans, self.name, PLAN, concepts, **own)

    def parts(self, host: Host, erase: Sequence[str]) -> list[tuple[str, ...]]:
        """The concept groups that have adapters of their own; their edits are made one by one and joined."""
        return train.groups(erase, self.plan(host).separate)

    def join(self, edits: Sequence[Edit]) -> Edit:
        """Several concepts are the sum of what their adapters say: the edits side by side."""
        curves = [curve for edit in edits for curve in edit.header["curves"]]
        return Edit(adapter.side_by_side(edits), {**edits[0].header, "sets": len(edits), "curves": curves})

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        groups = self.parts(host, erase)
        if len(groups) > 1:
            return self.join([self.fit(host, group, seed=seed) for group in groups])
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        erasers = adapter.fresh(host.unet, plan.rank, g)
        loss = Step(host, self, erase, erasers, g)
        how = plan.fit(f"Receler {' + '.join(erase)}")
        memory = Together({"rows": loss.lesson, **{f"attack {c}": attack for c, attack in loss.attacks.items()}})
        curve = train.fit(loss, adapter.parameters(erasers), how, g, memory)
        made = {f"adapter.0.{k}": t for k, t in adapter.state(erasers).items()}
        attack = [pair for turn in zip_longest(*(one.curve for one in loss.attacks.values())) for pair in turn if pair]
        return Edit(made, {"sets": 1, "rank": plan.rank, "curves": [{"eraser": curve, "attack": attack}]})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        with adapter.attached(host.unet, adapter.sets(host.unet, edit), self.strength):
            yield partial(stock_guide, host)


class Step:
    """The loss of an outer step, of one of the concepts in turn; each has rows and vectors of its own."""

    def __init__(
        self, host: Host, method: Receler, erase: Sequence[str], erasers: Mapping[str, Adapter], g: torch.Generator
    ) -> None:
        self.host, self.unet, self.method, self.plan = host, host.unet, method, method.plan(host, len(erase))
        self.erased = partial(adapter.attached, host.unet, [erasers])
        self.attacks = {concept: Suffix(host, VECTORS, g, ATTACK_RATE, ATTACK_DECAY) for concept in erase}
        self.lesson = Lesson(host, self.plan, erase, g, "apart")

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        concept = [*self.attacks][step % len(self.attacks)]
        rows, retained = self.rows(step, g)  # z_t of the concept, sampled with the erasers on
        e_p, e_0, mask = self.frozen(rows, concept)  # the frozen U-Net with the concept, without it; where it looks
        e_n, outputs = self.attacked(rows, e_p, self.attacks[concept])  # after `inner` steps that bring it back
        loss = F.mse_loss(e_n, e_0 - self.method.gamma * (e_p - e_0)) + self.method.reg * outside(outputs, mask)
        return loss if retained is None else loss + self.plan.retain * unchanged(self.unet, self.edited, retained)

    def edited(self, *args: Any, **kwargs: Any) -> Any:
        """The U-Net with the erasers on."""
        with self.erased():
            return self.unet(*args, **kwargs)

    def rows(self, step: int, g: torch.Generator) -> tuple[Latents, Latents | None]:
        with self.erased():
            return self.lesson.rows(step, partial(stock_guide, self.host), g)

    @torch.no_grad()
    def frozen(self, rows: Latents, concept: str) -> tuple[Tensor, Tensor, Tensor]:
        """e_p, e_0 (n, c, h, w) and M (n, 1, s, s)."""
        word = words(self.host, rows.ids, tokens(self.host, [concept])[0][0])
        with attention.watched(self.unet) as maps:
            e_p = estimate(self.unet, rows.z, rows.t, rows.context)
        looked = attention.nearest(list(maps.values()), rows.z.shape[-1] // self.plan.cells)
        e_0 = estimate(self.unet, rows.z, rows.t, rows.anchor)
        return e_p, e_0, attention.mask(looked, word, self.method.threshold)

    def attacked(self, rows: Latents, e_p: Tensor, attack: Suffix) -> tuple[Tensor, dict[str, Tensor]]:
        """e_n and the adapters' outputs, of all rows, in the last of the attack's passes."""
        n, end, losses = len(rows) - int(self.plan.plain * len(rows)), after(self.host, rows.ids), list[float]()
        with self.erased() as outputs:
            for i in range(self.plan.inner):
                last = i + 1 == self.plan.inner
                seen = rows if last else rows.rows(slice(n))
                context = torch.cat([attack.behind(rows.context[:n], end[:n]), seen.context[n:]])
                e_n = estimate(self.unet, seen.z, seen.t, context)
                losses.append(attack.descend(F.mse_loss(e_n[:n], e_p[:n]), again=last))
            attack.curve.append((losses[0], losses[-1]))
            return e_n, dict(outputs)


def outside(outputs: Mapping[str, Tensor], mask: Tensor) -> Tensor:
    """Mean over layers of the mean over pixels outside the mask (n, 1, s, s) of the mean square of (n, pixels, C)."""
    layers = []
    for said in outputs.values():
        side = round(said.shape[1] ** 0.5)
        out = 1 - F.interpolate(mask, size=(side, side), mode="nearest").flatten(1)
        layers.append((out * said.square().mean(-1)).sum() / out.sum().clamp(min=1))
    return torch.stack(layers).mean()
