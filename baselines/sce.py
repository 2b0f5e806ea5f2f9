"""SCE, reconstructed from its abstract: All but One: Surgical Concept Erasing with Model Preservation.

Seunghoo Hong, Juhun Lee, Simon S. Woo. AAAI 2024, arXiv 2312.12807.

The abstract says what is trained: the guidance of the concept, which becomes that of an alternative, or none, while the
unconditional estimate stays. Its formulas, weights, numbers and code were not to be had; this is ours:

    | (eps(z, t, c) - eps(z, t, "")) - (eps0(z, t, r) - eps0(z, t, "")) |^2 + kept | eps(z, t, "") - eps0(z, t, "") |^2

on latents z of the model's own pictures of the concept c; r is the alternative. With an empty r the first term is SDD's
loss with a gradient through both sides, which the second then holds. Weights, rate and length are ESD's. Every table
says that it is a reconstruction, and its numbers are not the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, encode, stock_guide
from dumo_bench.interfaces import Interpolated
from dumo_bench.kit import lesson, parameters, train
from dumo_bench.kit.latents import Latents, Trajectory, estimate
from dumo_bench.kit.lesson import Lesson, unchanged
from dumo_bench.types import Edit

#: variant -> what is trained
TRAINED: Mapping[str, str] = {"x": "attn2", "u": "noxattn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Split):
    """kept: weight of the unconditional estimate."""

    bounds: ClassVar[Mapping[str, str]] = {**lesson.Split.bounds, "kept": "[0, inf)"}

    kept: float = 1.0


PLANS: Mapping[str, Plan] = {"ours": Plan(steps=1000, lr=1e-5, run=Trajectory(50))}


@dataclass(frozen=True)
class SCE(Interpolated):
    """alternative: what takes the concepts' place, one for all or one each; "" is nothing, the text without them.

    Several concepts are learnt a row each. kept: weight of the unconditional estimate; retain: of prompts that must
    stay. None takes the plan's own.
    """

    name: ClassVar[str] = "sce"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "reconstructed from the abstract of Hong et al., AAAI 2024, arXiv 2312.12807"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "hong2024sce",
            "All but One: Surgical Concept Erasing with Model Preservation in Text-to-Image Diffusion Models",
            ("Seunghoo Hong", "Juhun Lee", "Simon S. Woo"),
            2024,
            venue="AAAI Conference on Artificial Intelligence",
            arxiv="2312.12807",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("sce",)
    shown: ClassVar[tuple[str, ...]] = ("reconstructed",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"variant": "x"},
        "object": {"variant": "x"},
        "explicit": {"variant": "u"},
    }
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "retain", "kept"), "[0, inf)"),
        "lr": "(0, inf)",
        "ema": "[0, 1)",
    }

    reconstructed: Literal["from the abstract"] = "from the abstract"
    preset: Literal["ours"] = "ours"
    variant: Literal["x", "u"] = "x"
    alternative: tuple[str, ...] = ("",)
    steps: int | None = None
    lr: float | None = None
    kept: float | None = None
    retain: float | None = None
    ema: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The plan with the host's own numbers and this method's settings; lr is of what is trained."""
        own = {name: getattr(self, name) for name in self.bounds if name != "lr"}
        found = plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)
        return found.at(self.variant, self.lr)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        others = dict(zip(erase, train.each(self.name, "alternative", self.alternative, erase), strict=True))
        names = parameters.selected(host, TRAINED[self.variant])
        student = parameters.twin(host.unet, names)
        theta = dict(student.named_parameters())
        rows, guide = Towards(host, plan, others, g), partial(stock_guide, replace(host, unet=student))
        empty = encode(host, [""])

        def loss(step: int, g: torch.Generator) -> Tensor:
            erased, retained = rows.rows(step, guide, g)
            guidance, free = terms(host.unet, student, erased, empty)
            loss = guidance + plan.kept * free
            return loss if retained is None else loss + plan.retain * unchanged(host.unet, student, retained)

        curve = train.fit(loss, [theta[n] for n in names], plan.fit(f"SCE {' + '.join(erase)}"), g, rows)
        made = parameters.towards(host, student, names, self.strength)
        return Edit(made, {"variant": self.variant, "alternatives": others, "curves": {"sce": curve}})


class Towards(Lesson[Plan]):
    """Rows whose anchors have the alternative in the place of its concept."""

    def __init__(self, host: Host, plan: Plan, others: Mapping[str, str], g: torch.Generator) -> None:
        super().__init__(host, plan, list(others), g)
        self.others = others

    def anchor(self, text: str) -> str:
        named = [(c, other) for c, other in self.others.items() if other and train.mentions(text, c)]
        return train.instead(text, *named[0], self.erase) if named else super().anchor(text)


def terms(frozen: Any, student: Any, rows: Latents, empty: Tensor) -> tuple[Tensor, Tensor]:
    """How far guidance is from the alternative's, and the unconditional estimate from the model's: means of squares."""
    z, t, none = rows.z, rows.t, empty.expand_as(rows.context)
    with torch.no_grad():
        e_r, e_0 = estimate(frozen, z, t, rows.anchor), estimate(frozen, z, t, none)
    own_c, own_0 = estimate(student, z, t, rows.context), estimate(student, z, t, none)
    return F.mse_loss(own_c - own_0, e_r - e_0), F.mse_loss(own_0, e_0)
