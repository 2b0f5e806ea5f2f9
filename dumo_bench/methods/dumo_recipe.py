"""How our DuMo is trained. The paper's recipe was never published: everything in this file is our choice.

Two stages. EPR learns, on latents of the model as it is being edited, to predict for a prompt with the concept what
the original predicts for the same prompt with the concept's words taken out, pushed `negative` times further away from
the concept, and to change nothing on other prompts. Then EPR is frozen and TLMO's table, or what stands for it, is
learnt on the same two terms, on latents of every timestep. One push serves every task: at 1 a style of emoji-sd stayed
in 0.25 of its pictures, and seven objects in 0.23 with the worst of three seeds, where 1.5 left 0.18. No larger model
was tried; ESD's eta of 1 would be `negative=1`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dumo_bench.hosts.sd import Host
from dumo_bench.kit import latents, train
from dumo_bench.kit.checkpointing import recomputed
from dumo_bench.kit.latents import Latents, estimate
from dumo_bench.methods import tlmo
from dumo_bench.methods.epr import EPR, Blend, corrected, denoiser, scaled, widths
from dumo_bench.types import Conditions, Denoiser, Guide


@dataclass(frozen=True, slots=True)
class Plan:
    """Our training recipe: steps and rates of the two stages, rows a step, how often latents are made anew.

    rows: of prompts to erase; kept_rows: of prompts that must stay. keep: their weight, on top of the method's own.
    ema: decay of a mean of EPR's weights, which is then the result. checkpointing: less memory for more time.
    """

    epr_steps: int
    epr_lr: float
    table_steps: int
    table_lr: float
    rows: int
    kept_rows: int
    refresh: int
    erase_prompts: int
    retain_prompts: int
    keep: float = 1.0
    ema: float = 0.0
    checkpointing: bool = False


#: text width of the host -> recipe; 768 is SD 1.x, 128 is emoji-sd
PLANS: dict[int, Plan] = {
    768: Plan(
        1000, 1e-5, 200, 1e-2, rows=4, kept_rows=4, refresh=50, erase_prompts=4, retain_prompts=32, checkpointing=True
    ),
    128: Plan(150, 4e-4, 25, 2e-2, rows=12, kept_rows=4, refresh=25, erase_prompts=24, retain_prompts=72, ema=0.97),
}
#: in its place where one EPR serves several concepts. On emoji-sd, seven concepts in the steps and rate of one left
#: 0.56 of 0.89; kept at 72 prompts and weight 1, related objects lost 14 points. The last weights in place of their
#: mean left 0.13, the mean 0.06.
SHARED: dict[int, Plan] = {
    128: replace(PLANS[128], epr_steps=240, rows=8, kept_rows=8, erase_prompts=16, retain_prompts=168, keep=2.0)
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the method's own options say of its training."""

    negative: float
    retain: float
    tlmo: tlmo.Kind
    mid: bool
    steps: int | None
    lr: float | None


def recipe(width: int, concepts: int) -> Plan:
    """The plan of a text width for an EPR of so many concepts; SD 1.x's where the width has none."""
    own = PLANS.get(width, PLANS[768])
    return own if concepts == 1 else SHARED.get(width, own)


def learn(host: Host, wish: Wish, words: list[str], g: torch.Generator) -> Learnt:
    """Two stages: EPR with its scale as it starts, then the scale with EPR frozen."""
    plan = recipe(host.unet.config.cross_attention_dim, len(words))
    wish = replace(wish, retain=plan.keep * wish.retain)
    epr = (Blend if wish.tlmo == "blend" else EPR)(host.unet).eval()
    heed = torch.ones(len(widths(host.unet.config)), device=host.device)
    heed[-1] = float(wish.mid)
    free, scale = tlmo.start(wish.tlmo, heed, epr.time_embedding.linear_2.out_features)
    rows = Lesson(host, plan, words, g)

    def loss(step: int, g: torch.Generator) -> Tensor:
        if step % plan.refresh == 0:
            rows.refresh(partial(edited_guide, host, epr, scale()), g)
        return objective(host, wish, rows.draw(g), partial(scaled, epr, scale()))

    steps = plan.epr_steps if wish.steps is None else wish.steps
    rate = plan.epr_lr if wish.lr is None else wish.lr
    first = train.Fit(steps, rate, f"EPR {' + '.join(words)}", plan.ema)
    second = train.Fit(plan.table_steps, plan.table_lr, f"TLMO {' + '.join(words)}")
    with recomputed(epr, host.unet, when=plan.checkpointing):  # the U-Net's decoder passes the gradients on
        curves = {"epr": train.fit(loss, epr.requires_grad_(True).parameters(), first, g, rows.erase)}
        epr.requires_grad_(False)
        if wish.tlmo != "off":
            curves["tlmo"] = train.fit(loss, free, second, g, rows.erase)
    return Learnt(epr, scale(), curves)


class Learnt(NamedTuple):
    """EPR, its scale, and the loss of every step of each stage."""

    epr: EPR
    scale: tlmo.Scale
    curves: dict[str, list[float]]


def objective(host: Host, wish: Wish, rows: tuple[Latents, Latents], residuals: Any) -> Tensor:
    """|eps - (e_a - ng (e_p - e_a))|^2 on erased prompts p with anchor a, + retain |eps - eps0|^2 on the others."""
    erase, both, n = rows[0], Latents.joined(rows), len(rows[0])
    with torch.no_grad():
        target = estimate(host.unet, both.z, both.t, both.anchor)
        if wish.negative:
            own = estimate(host.unet, erase.z, erase.t, erase.context)
            target[:n] -= wish.negative * (own - target[:n])
    made = corrected(host.unet, both.z, both.t, both.context, residuals(both.z, both.t, both.context))
    wrong = (made - target).square().flatten(1).mean(1)
    total: Tensor = wrong[:n].mean() + wish.retain * wrong[n:].mean()
    return total


def edited_guide(host: Host, epr: EPR, scale: tlmo.Scale, given: Conditions) -> Denoiser:
    """The model being trained, with its gate open."""
    return denoiser(host.unet, [(epr, scale)], [torch.ones_like(given.guidance)], given)


class Lesson:
    """Rows to learn from: retained prompts sampled once by the original, erased ones anew as the model changes.

    One trajectory gives latents at every level, so that each of TLMO's rows is learnt from.
    """

    def __init__(self, host: Host, plan: Plan, words: list[str], g: torch.Generator) -> None:
        self.host, self.plan, self.words = host, plan, words
        self.naming = train.prompts(host, words)[0]
        self.keep = latents.kept(host, words, plan.retain_prompts, g)
        self.erase = latents.Pool(host.device)

    def refresh(self, guide: Guide, g: torch.Generator) -> None:
        say = latents.saying([self.naming], self.words, g)
        self.erase.add(latents.harvest(self.host, guide, say, self.plan.erase_prompts, latents.Trajectory(), g))

    def draw(self, g: torch.Generator) -> tuple[Latents, Latents]:
        """A step's rows to erase, and to keep."""
        return self.erase.draw(self.plan.rows, g), self.keep.draw(self.plan.kept_rows, g)
