"""ESD: Erasing Concepts from Diffusion Models.

Rohit Gandikota, Joanna Materzynska, Jaden Fiotto-Kaufman, David Bau. ICCV 2023, arXiv 2303.07345.

The model with the concept is taught to say what the frozen model says without it, pushed eta times further away:

    | eps(z, t, p) - (e_0 - eta (e_p - e_0)) |^2,    e_p = eps0(z, t, p),  e_0 = eps0(z, t, "")

on latents z of its own pictures of the concept. Preset `paper`: 512 pixels, latents by the model being trained, Adam
1e-5, 1000 steps. Preset `2025`: the later release's script, which samples by the frozen model at 1024 pixels with PNDM
and asks at exactly the level the latents stand at, 200 steps of 5e-5. It writes the target e_p - eta' (e_p - e_0), so
its eta' is eta + 1: its default of 2 is eta = 1 here. Its bfloat16 weights are not followed: most of its own small
steps would be rounded away. Latents and timesteps agree, which the paper's code misses by about 49 of 1000 (`align`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.kit import lesson, parameters, train
from dumo_bench.kit.checkpointing import recomputed
from dumo_bench.kit.latents import Latents, Trajectory, estimate
from dumo_bench.kit.lesson import Lesson, unchanged
from dumo_bench.types import Edit

#: variant -> what is trained: of the paper (its code's `xattn`, `noxattn`), and of the later release
TRAINED: Mapping[str, Mapping[str, str]] = {
    "paper": {"x": "attn2", "strict": "kv", "u": "noxattn"},
    "2025": {"x": "attn2", "strict": "kv", "u": "noxattn-linear"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Plan):
    """lr: of the cross-attentions, lr_outside: of all else. on_policy: latents are of the model being trained."""

    bounds: ClassVar[Mapping[str, str]] = {**lesson.Plan.bounds, "lr_outside": "(0, inf)"}

    lr_outside: float
    on_policy: bool = True


PLANS: Mapping[str, Plan] = {
    "paper": Plan(steps=1000, lr=1e-5, lr_outside=1e-5, run=Trajectory(50)),
    "2025": Plan(
        steps=200, lr=5e-5, lr_outside=5e-5, on_policy=False, run=Trajectory(50, sampler="pndm", side=2, align="level")
    ),
}


@dataclass(frozen=True)
class ESD(Method):
    """ESD-x (cross-attention, for styles and names), ESD-u (all else, for objects and nudity) or strict (keys, values).

    Of several concepts one is learnt a row. eta: how far beyond the empty prompt the target lies; retain: weight of
    prompts that must stay, 0 in the paper; ema: decay of a mean of the weights; checkpointing: less memory, more time.
    None takes the plan's own.
    """

    name: ClassVar[str] = "esd"
    version: ClassVar[str] = "3"
    cite: ClassVar[str] = "Gandikota et al., ICCV 2023, arXiv 2303.07345"
    tables: ClassVar[tuple[str, ...]] = ("esd",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"variant": "x"},
        "object": {"variant": "u"},
        "explicit": {"variant": "u"},
    }
    bounds: ClassVar[Mapping[str, str]] = {"steps": "[0, inf)", "lr": "(0, inf)", "retain": "[0, inf)", "ema": "[0, 1)"}

    preset: Literal["paper", "2025"] = "paper"
    variant: Literal["x", "u", "strict"] = "x"
    eta: float = 1.0
    steps: int | None = None
    lr: float | None = None
    retain: float | None = None
    align: Literal["bin", "level", "compvis"] | None = None
    ema: float | None = None
    checkpointing: bool = False
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The paper's plan with the host's own numbers and this method's settings; lr is of what is trained."""
        own = {"steps": self.steps, "retain": self.retain, "ema": self.ema}
        found = plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)
        rate = found.lr_outside if self.variant == "u" else found.lr
        run = replace(found.run, align=self.align or found.run.align)
        return replace(found, lr=rate if self.lr is None else self.lr, run=run)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        names = parameters.SELECTIONS[TRAINED[self.preset][self.variant]](host.unet)
        student = parameters.twin(host.unet, names)
        theta = dict(student.named_parameters())
        rows = Lesson(host, plan, erase, g)
        loss = partial(self.loss, host, student, rows)
        with recomputed(student, when=self.checkpointing):
            how = plan.fit(f"ESD-{self.variant} {' + '.join(erase)}")
            curve = train.fit(loss, [theta[n] for n in names], how, g, rows)
        own = dict(host.unet.named_parameters())
        made = {f"unet.{n}": torch.lerp(own[n], theta[n].detach(), self.strength) for n in names}
        return Edit(made, {"preset": self.preset, "variant": self.variant, "curves": {"esd": curve}})

    def loss(self, host: Host, student: Any, lesson: Lesson[Plan], step: int, g: torch.Generator) -> Tensor:
        """The objective on rows of the concepts; and no change on the retained ones, where they have a weight."""
        guide = partial(stock_guide, replace(host, unet=student) if lesson.plan.on_policy else host)
        erased, retained = lesson.rows(step, guide, g)
        loss = objective(host.unet, student, erased, self.eta)
        return loss if retained is None else loss + lesson.plan.retain * unchanged(host.unet, student, retained)


def objective(frozen: Any, student: Any, rows: Latents, eta: float) -> Tensor:
    """|eps(z, t, p) - (e_0 - eta (e_p - e_0))|^2, mean over elements."""
    z, t, p = rows.z, rows.t, rows.context
    with torch.no_grad():
        e_p, e_0 = estimate(frozen, z, t, p), estimate(frozen, z, t, rows.anchor)
    e_n = estimate(student, z, t, p)
    return F.mse_loss(e_n, e_0 - eta * (e_p - e_0))
