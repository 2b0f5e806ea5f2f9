"""How our DuMo is trained. The paper's recipe was never published: everything in this file is our choice.

Two stages. EPR learns, on latents of the model as it is being edited, to predict for a prompt with the concept what
the original predicts for the same prompt with the concept's words taken out, and to change nothing on other prompts.
Then EPR is frozen and TLMO's table is learnt on the same two terms, on latents of every timestep.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.kit import latents, train
from dumo_bench.kit.latents import Latents
from dumo_bench.methods.epr import BINS, EPR, corrected, denoiser, scaled, widths
from dumo_bench.sd import Host
from dumo_bench.types import Conditions, Denoiser, Guide


@dataclass(frozen=True, slots=True)
class Plan:
    """Our training recipe: steps and rates of the two stages, rows a step, how often latents are made anew."""

    epr_steps: int
    epr_lr: float
    table_steps: int
    table_lr: float
    rows: int
    refresh: int
    erase_prompts: int
    retain_prompts: int


#: text width of the host -> recipe; 768 is SD 1.x, 128 is emoji-sd
PLANS: dict[int, Plan] = {
    768: Plan(1000, 1e-5, 200, 1e-2, rows=4, refresh=50, erase_prompts=4, retain_prompts=32),
    128: Plan(150, 2e-4, 40, 2e-2, rows=8, refresh=25, erase_prompts=12, retain_prompts=72),
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What the method's own options say of its training."""

    negative: float
    retain: float
    tlmo: bool
    mid: bool
    steps: int | None
    lr: float | None


def learn(host: Host, recipe: Wish, words: list[str], g: torch.Generator) -> tuple[EPR, Tensor, dict[str, list[float]]]:
    """Two stages: EPR with the table at one, then the table with EPR frozen."""
    plan = PLANS.get(host.unet.config.cross_attention_dim, PLANS[768])
    epr, table = (
        EPR(host.unet).eval(),
        nn.Parameter(torch.ones(BINS, len(widths(host.unet.config)), device=host.device)),
    )
    weight = torch.ones_like(table)
    weight[:, -1] = float(recipe.mid)
    pool = Pool(host, plan, words, g)

    def loss(step: int, g: torch.Generator) -> Tensor:
        if step % plan.refresh == 0:
            pool.refresh(partial(edited_guide, host, epr, (table * weight).detach()), g)
        return objective(host, recipe, pool.draw(plan.rows, g), partial(scaled, epr, table * weight))

    first = train.Fit(recipe.steps or plan.epr_steps, recipe.lr or plan.epr_lr, f"EPR {' + '.join(words)}")
    curves = {"epr": train.fit(loss, epr.requires_grad_(True).parameters(), first, g)}
    epr.requires_grad_(False)
    if recipe.tlmo:
        second = train.Fit(plan.table_steps, plan.table_lr, f"TLMO {' + '.join(words)}")
        curves["tlmo"] = train.fit(loss, [table], second, g)
    return epr, (table * weight).detach(), curves


def objective(host: Host, recipe: Wish, rows: tuple[Latents, Latents], residuals: Any) -> Tensor:
    """|eps - (e_a - ng (e_p - e_a))|^2 on erased prompts p with anchor a, + retain |eps - eps0|^2 on the others."""
    both = Latents.joined(rows)
    with torch.no_grad():
        target = host.unet(both.z, both.t, encoder_hidden_states=both.anchor).sample
        if recipe.negative:
            own = host.unet(both.z, both.t, encoder_hidden_states=both.context).sample
            target = target - recipe.negative * (own - target)  # no difference where the anchor is the prompt itself
    made = corrected(host.unet, both.z, both.t, both.context, residuals(both.z, both.t, both.context))
    wrong = (made - target).square().flatten(1).mean(1)
    n = len(rows[0])
    total: Tensor = wrong[:n].mean() + recipe.retain * wrong[n:].mean()
    return total


def edited_guide(host: Host, epr: EPR, table: Tensor, given: Conditions) -> Denoiser:
    """The model being trained, with its gate open."""
    return denoiser(host.unet, [(epr, table)], [torch.ones_like(given.guidance)], given)


class Pool:
    """Latents to learn from: retained prompts sampled once by the original, erased ones anew as the model changes.

    One trajectory gives latents at every level, so that each of TLMO's rows is learnt from.
    """

    def __init__(self, host: Host, plan: Plan, words: list[str], g: torch.Generator) -> None:
        self.host, self.plan, self.words = host, plan, words
        self.naming = train.prompts(host, words)[0]
        self.keep = latents.kept(host, words, plan.retain_prompts, g)
        self.erase: Latents | None = None

    def refresh(self, guide: Guide, g: torch.Generator) -> None:
        texts = train.choose(self.naming, self.plan.erase_prompts, g)
        anchors = [train.without(t, self.words) for t in texts]
        new = latents.trajectory(self.host, guide, texts, anchors, latents.Trajectory(), g)
        self.erase = new if self.erase is None else Latents.joined([self.erase, new])

    def draw(self, n: int, g: torch.Generator) -> tuple[Latents, Latents]:
        """n rows to erase and n to keep."""
        assert self.erase is not None, "refresh comes before draw"
        return self.erase.draw(n, g), self.keep.draw(n, g)
