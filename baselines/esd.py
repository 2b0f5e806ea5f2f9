"""ESD: Erasing Concepts from Diffusion Models.

Rohit Gandikota, Joanna Materzynska, Jaden Fiotto-Kaufman, David Bau. ICCV 2023, arXiv 2303.07345.

The model with the concept is taught to say what the frozen model says without it, pushed eta times further away:

    | eps(z, t, p) - (e_0 - eta (e_p - e_0)) |^2,    e_p = eps0(z, t, p),  e_0 = eps0(z, t, "")

on latents z of its own pictures of the concept. Preset `paper`: 512 pixels, latents by the model being trained, Adam
1e-5, 1000 steps. Preset `2025`: the later release's script, which samples by the frozen model at 1024 pixels with PNDM
and asks at exactly the level the latents stand at, 200 steps of 5e-5. It writes the target e_p - eta' (e_p - e_0), so
its eta' is eta + 1: its default of 2 is eta = 1 here. Its bfloat16 weights are not followed: most of its own small
steps would be rounded away. Latents and timesteps agree, which the paper's code misses by about 49 of 1000 (`align`).

Preset `sdxl`: the later release's script for Stable Diffusion XL, guidance 2, 2e-4 (u: 1e-5); its eta' of 1 is eta = 0,
so what it teaches is the empty prompt. It does not scale Euler's latents for the U-Net; ours are DDIM's. Preset `flow`,
of FLUX and SD3: that script as its public copies have it. It learns velocities in place of eps, on all linear layers of
attentions (x) or their keys and values (strict): 512 pixels, 28 steps, guidance 1, 1,400 steps of Adam 1e-4, asked at
the very level of the latents. That the frozen model samples these is taken from preset `2025`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.hosts import plans
from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.interfaces import Interpolated
from dumo_bench.kit import lesson, parameters, train
from dumo_bench.kit.checkpointing import recomputed
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.lesson import Lesson, unchanged
from dumo_bench.kit.lesson import away as objective
from dumo_bench.types import Edit

#: variant -> what is trained: of the paper (its code's `xattn`, `noxattn`), the later release, its copies for FLUX
TRAINED: Mapping[str, Mapping[str, str]] = {
    "paper": {"x": "attn2", "strict": "kv", "u": "noxattn"},
    "2025": {"x": "attn2", "strict": "kv", "u": "noxattn-linear"},
    "flow": {"x": "attn", "strict": "attn-kv"},
    "sdxl": {"x": "attn2", "strict": "kv", "u": "noxattn-blocks"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(lesson.Split):
    """on_policy: latents are of the model being trained."""

    on_policy: bool = True


PLANS: Mapping[str, Plan] = {
    "paper": Plan(steps=1000, lr=1e-5, lr_outside=1e-5, run=Trajectory(50)),
    "2025": Plan(
        steps=200, lr=5e-5, lr_outside=5e-5, on_policy=False, run=Trajectory(50, sampler="pndm", side=2, align="level")
    ),
    "sdxl": Plan(steps=200, lr=2e-4, lr_outside=1e-5, on_policy=False, run=Trajectory(50, guidance=2.0, align="level")),
    "flow": Plan(
        steps=1400, lr=1e-4, lr_outside=1e-4, on_policy=False, run=Trajectory(28, guidance=1.0, side=0.5, align="level")
    ),
}


@dataclass(frozen=True)
class ESD(Interpolated):
    """ESD-x (cross-attention, for styles and names), ESD-u (all else, for objects and nudity) or strict (keys, values).

    Of several concepts one is learnt a row. eta: how far beyond the empty prompt the target lies; retain: weight of
    prompts that must stay, 0 in the paper; ema: decay of a mean of the weights; checkpointing: less memory, more time.
    None takes the plan's own.
    """

    name: ClassVar[str] = "esd"
    version: ClassVar[str] = "3"
    cite: ClassVar[str] = "Gandikota et al., ICCV 2023, arXiv 2303.07345"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "gandikota2023esd",
            "Erasing Concepts from Diffusion Models",
            ("Rohit Gandikota", "Joanna Materzynska", "Jaden Fiotto-Kaufman", "David Bau"),
            2023,
            venue="IEEE/CVF International Conference on Computer Vision",
            arxiv="2303.07345",
        ),
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"sd", "sdxl", "flux", "sd3"})
    by_kind: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "sdxl": {"preset": "sdxl", "eta": 0.0},
        "flux": {"preset": "flow", "variant": "x"},
        "sd3": {"preset": "flow", "variant": "x"},
    }
    tables: ClassVar[tuple[str, ...]] = ("esd",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"variant": "x"},
        "object": {"variant": "u"},
        "explicit": {"variant": "u"},
    }
    bounds: ClassVar[Mapping[str, str]] = {"steps": "[0, inf)", "lr": "(0, inf)", "retain": "[0, inf)", "ema": "[0, 1)"}

    preset: Literal["paper", "2025", "sdxl", "flow"] = "paper"
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
        run = replace(found.run, align=self.align or found.run.align)
        return replace(found.at(self.variant, self.lr), run=run)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        names = self.trained(host)
        student = parameters.twin(host.unet, names)
        theta = dict(student.named_parameters())
        rows = Lesson(host, plan, erase, g)
        loss = partial(self.loss, host, student, rows)
        with recomputed(student, when=self.checkpointing):
            how = plan.fit(f"ESD-{self.variant} {' + '.join(erase)}")
            curve = train.fit(loss, [theta[n] for n in names], how, g, rows)
        made = parameters.towards(host, student, names, self.strength)
        return Edit(made, {"preset": self.preset, "variant": self.variant, "curves": {"esd": curve}})

    def trained(self, host: Host) -> list[str]:
        """The names of what is trained."""
        known = TRAINED[self.preset]
        if self.variant not in known:
            raise UserError(f"esd: preset {self.preset} has no variant {self.variant!r}: wanted {' or '.join(known)}")
        return parameters.selected(host, known[self.variant])

    def loss(self, host: Host, student: Any, lesson: Lesson[Plan], step: int, g: torch.Generator) -> Tensor:
        """The objective on rows of the concepts; and no change on the retained ones, where they have a weight."""
        guide = partial(stock_guide, replace(host, unet=student) if lesson.plan.on_policy else host)
        erased, retained = lesson.rows(step, guide, g)
        loss = objective(host.unet, student, erased, self.eta)
        return loss if retained is None else loss + lesson.plan.retain * unchanged(host.unet, student, retained)
