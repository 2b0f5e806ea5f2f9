"""SPM: One-dimensional Adapter to Rule Them All: Concepts, Diffusion Models and Erasing Applications.

Mengyao Lyu, Yuhong Yang, Haiwen Hong, Hui Chen, Xuan Jin, Yuan He, Hui Xue, Jungong Han, Guiguang Ding. CVPR 2024,
arXiv 2312.16145.

A semi-permeable membrane M adds u v^T, of rank one, to every linear layer and convolution inside the transformers of a
frozen U-Net. It learns ESD's target, and by "latent anchoring" to leave random embeddings c^ as they are:

    | eps_M(z, t, c) - (e_0 - eta (e_c - e_0)) |^2  +  anchoring * | eps_M(z, t, c^) - eps(z, t, c^) |^2

on latents z of its own pictures of c; e_c = eps(z, t, c) and e_0 = eps(z, t, "") are without M. A c^ is Gaussian, as
long as c to within a fifth, and accepted with a probability of 1 - cos(c^, c). "Facilitated transport": each concept
has an M of its own, and at inference a prompt p opens it by

    gamma(p) = max( cos(E(p), E(c)), |tokens of both| / |tokens of c| ),      W + sum_i gamma_i u_i v_i^T

The released code scales u and v before it sums them, (sum_i gamma_i u_i) (sum_i gamma_i v_i)^T: `--set gate=code`.
Followed in part: AdamW in 8 bits with a cosine rate and restarts is Adam here, pictures are of one size, and latents
and timesteps agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.citation import Paper
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, encode, fits, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.kit import lesson, lora, train
from dumo_bench.kit.latents import Latents, Trajectory
from dumo_bench.kit.lesson import Lesson, away, unchanged
from dumo_bench.types import Edit, Guide


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Plan):
    """anchors: random embeddings a step; anchoring: weight of their staying as they are."""

    bounds: ClassVar[Mapping[str, str]] = {
        **lesson.Plan.bounds, "anchors": "[0, inf)", "anchoring": "[0, inf)", "rank": "[1, inf)",
    }  # fmt: skip

    anchors: int = 4
    anchoring: float = 1000.0
    rank: int = 1


PLAN = Plan(steps=3000, lr=1e-4, run=Trajectory(30))


@dataclass(frozen=True)
class SPM(Method):
    """eta: how far beyond the empty prompt the target lies; gate: the paper's sum, the code's, or off, always open.

    The same for objects, styles and what is explicit, as published. retain: weight of prompts that must stay, 0 in the
    paper; strength: what the gate is multiplied by. None takes the plan's own.
    """

    name: ClassVar[str] = "spm"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Lyu et al., CVPR 2024, arXiv 2312.16145"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "lyu2024spm",
            "One-dimensional Adapter to Rule Them All: Concepts, Diffusion Models and Erasing Applications",
            (
                "Mengyao Lyu",
                "Yuhong Yang",
                "Haiwen Hong",
                "Hui Chen",
                "Xuan Jin",
                "Yuan He",
                "Hui Xue",
                "Jungong Han",
                "Guiguang Ding",
            ),
            2024,
            venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            arxiv="2312.16145",
        ),
    )
    tables: ClassVar[tuple[str, ...]] = ("spm",)
    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "anchors", "anchoring", "retain"), "[0, inf)"),
        "lr": "(0, inf)", "rank": "[1, inf)", "ema": "[0, 1)",
    }  # fmt: skip

    eta: float = 1.0
    gate: Literal["paper", "code", "off"] = "paper"
    steps: int | None = None
    lr: float | None = None
    rank: int | None = None
    anchors: int | None = None
    anchoring: float | None = None
    retain: float | None = None
    ema: float | None = None
    strength: float = 1.0

    def plan(self, host: Host) -> Plan:
        """The paper's plan with the host's own numbers and this method's settings."""
        return plans.plan(host.plans, self.name, PLAN, **{name: getattr(self, name) for name in self.bounds})

    def parts(self, host: Host, erase: Sequence[str]) -> list[tuple[str, ...]]:
        """Each concept has a membrane of its own."""
        del host
        return [(concept,) for concept in erase]

    def join(self, edits: Sequence[Edit]) -> Edit:
        """Several concepts are the sum of their membranes: the edits side by side."""
        groups, curves = ([one for edit in edits for one in edit.header[k]] for k in ("groups", "curves"))
        return Edit(
            lora.side_by_side(edits), {**edits[0].header, "sets": len(edits), "groups": groups, "curves": curves}
        )

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        groups = self.parts(host, erase)
        if len(groups) > 1:
            return self.join([self.fit(host, group, seed=seed) for group in groups])
        plan, g = self.plan(host), train.seeded(seed)
        membrane = lora.fresh(host.unet, lora.inside_transformers(host.unet), plan.rank, g)
        loss = Step(host, plan, self.eta, erase, membrane, g)
        curve = train.fit(loss, lora.parameters(membrane), plan.fit(f"SPM {erase[0]}"), g, loss.lesson)
        header = {"sets": 1, "groups": [list(erase)], "gate": self.gate, "curves": [{"spm": curve}]}
        return Edit(lora.tensors([membrane]), header)

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        yield lora.gated(host, edit, self.strength)


class Step:
    """The loss of a step."""

    def __init__(
        self, host: Host, plan: Plan, eta: float, erase: Sequence[str], membrane: lora.Set, g: torch.Generator
    ) -> None:
        self.host, self.unet, self.plan, self.eta = host, host.unet, plan, eta
        self.through = partial(lora.attached, host.unet, [membrane])
        self.membrane, self.concept = membrane, encode(host, erase)[0]
        self.lesson = Lesson(host, plan, erase, g)

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        with self.through():
            rows, retained = self.lesson.rows(step, partial(stock_guide, self.host), g)
        loss = self.erasing(rows)
        if self.host.apart:
            loss = loss + self.host.apart(self.membrane)
        if self.plan.anchors and self.plan.anchoring:
            loss = loss + self.plan.anchoring * unchanged(self.unet, self.edited, self.anchored(rows, g))
        return loss if retained is None else loss + self.plan.retain * unchanged(self.unet, self.edited, retained)

    def erasing(self, rows: Latents) -> Tensor:
        """|eps_M(z, t, c) - (e_0 - eta (e_c - e_0))|^2, mean over elements."""
        return away(self.unet, self.edited, rows, self.eta)

    def edited(self, *args: Any, **kwargs: Any) -> Any:
        """The U-Net with the membrane."""
        with self.through():
            return self.unet(*args, **kwargs)

    def anchored(self, rows: Latents, g: torch.Generator) -> Latents:
        """Latents of the rows, with random embeddings for their texts."""
        some = rows.draw(self.plan.anchors, g)
        return replace(some, context=anchors(self.concept, len(some), g))


def anchors(concept: Tensor, n: int, g: torch.Generator) -> Tensor:
    """n random embeddings c^ (n, 77, d) about as long as the concept's (77, d), and rarely like it."""
    own, found = concept.flatten().double().cpu(), list[Tensor]()
    while len(found) < n:
        c = F.normalize(torch.randn(len(own), generator=g, dtype=torch.float64), dim=0)
        accept, scale = torch.rand(2, generator=g, dtype=torch.float64)
        if accept < 1 - c @ own / own.norm():
            found.append((0.8 + 0.4 * scale) * own.norm() * c)
    return torch.stack(found).view(n, *concept.shape).to(concept)
