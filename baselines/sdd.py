"""SDD: Towards Safe Self-Distillation of Internet-Scale Text-to-Image Diffusion Models.

Sanghyun Kim, Seohyeon Jung, Balhae Kim, Moonseok Choi, Jinwoo Shin, Juho Lee. arXiv 2307.05977.

What the model says of the concept c is to be what it says itself, at that moment, of the empty text:

    | eps(z, t, c) - sg[eps(z, t, "")] |^2

sg stops the gradient, so the target moves with the weights. A running mean of the weights (EMA) samples the latents z,
and is the result. Preset `paper`: the released 1500 steps of one row at 1e-5, with a decay of 0.999, by which the mean
has come 0.63 of the way after 1000 steps: a shorter fit needs a lower one. Several concepts are sampled as one text
with commas and taught one a step, in turn, as in the released default; its "sequential" only ever reaches the first.
Followed in part: AdamW, clipped at 1 and decaying by 1e-4, is Adam here. Latents and timesteps agree, where the
released loop makes a whole run for the last of its 50 levels. On FLUX and SD3 it is ours, in velocities.
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
from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.interfaces import Interpolated
from dumo_bench.kit import parameters, train
from dumo_bench.kit.latents import Latents, Trajectory, estimate
from dumo_bench.kit.lesson import Lesson, Plan, unchanged
from dumo_bench.types import Edit

#: variant -> what is trained
TRAINED: Mapping[str, str] = {"x": "attn2", "u": "noxattn", "full": "full", "attn": "attn"}
PLANS: Mapping[str, Plan] = {"paper": Plan(steps=1500, lr=1e-5, ema=0.999, run=Trajectory(50))}


@dataclass(frozen=True)
class SDD(Interpolated):
    """variant: the cross-attentions (x), all else (u) or the whole U-Net; of a transformer its attentions (attn).

    ema: decay of the mean, 0: no mean is made. retain: weight of prompts that must stay, 0 in the paper. None takes the
    plan's own.
    """

    name: ClassVar[str] = "sdd"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Kim et al., ICML 2023 workshop, arXiv 2307.05977"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "kim2023sdd",
            "Towards Safe Self-Distillation of Internet-Scale Text-to-Image Diffusion Models",
            ("Sanghyun Kim", "Seohyeon Jung", "Balhae Kim", "Moonseok Choi", "Jinwoo Shin", "Juho Lee"),
            2023,
            venue="ICML Workshop on Challenges in Deployable Generative AI",
            arxiv="2307.05977",
        ),
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"sd", "flux", "sd3"})
    ours: ClassVar[frozenset[str]] = frozenset({"flux", "sd3"})
    by_kind: ClassVar[Mapping[str, Mapping[str, Any]]] = {"flux": {"variant": "attn"}, "sd3": {"variant": "attn"}}
    tables: ClassVar[tuple[str, ...]] = ("sdd",)
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"variant": "x"},
        "object": {"variant": "x"},
        "explicit": {"variant": "x"},
    }
    bounds: ClassVar[Mapping[str, str]] = {"steps": "[0, inf)", "lr": "(0, inf)", "retain": "[0, inf)", "ema": "[0, 1)"}

    preset: Literal["paper"] = "paper"
    variant: Literal["x", "u", "full", "attn"] = "x"
    steps: int | None = None
    lr: float | None = None
    retain: float | None = None
    ema: float | None = None
    strength: float = 1.0

    def plan(self, host: Host, concepts: int = 1) -> Plan:
        """The paper's plan with the host's own numbers and this method's settings."""
        own = {name: getattr(self, name) for name in self.bounds}
        return plans.plan(host.plans, self.name, PLANS[self.preset], concepts, **own)

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        names = parameters.selected(host, TRAINED[self.variant])
        student, mean = (parameters.twin(host.unet, names) for _ in range(2))
        theta, copy = (dict(net.named_parameters()) for net in (student, mean))
        rows: Lesson[Plan] = Lesson(host, plan, erase, g, mix="joined")
        guide = partial(stock_guide, replace(host, unet=mean))

        def loss(step: int, g: torch.Generator) -> Tensor:
            erased, retained = rows.rows(step, guide, g)
            loss = objective(student, erased)
            return loss if retained is None else loss + plan.retain * unchanged(host.unet, student, retained)

        how = plan.fit(f"SDD {' + '.join(erase)}")
        curve = train.fit(loss, [theta[n] for n in names], how, g, rows, [copy[n] for n in names])
        made = parameters.towards(host, student, names, self.strength)
        return Edit(made, {"variant": self.variant, "ema": plan.ema, "curves": {"sdd": curve}})


def objective(student: Any, rows: Latents) -> Tensor:
    """|eps(z, t, c) - sg[eps(z, t, "")]|^2, mean over elements; of a caption, "" is what is left without c."""
    with torch.no_grad():
        wanted = estimate(student, rows.z, rows.t, rows.anchor)
    return F.mse_loss(estimate(student, rows.z, rows.t, rows.context), wanted)
