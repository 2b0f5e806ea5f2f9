"""Receler: Reliable Concept Erasing of Text-to-Image Diffusion Models via Lightweight Erasers.

Chi-Pin Huang, Kai-Po Chang, Chung-Ting Tsai, Yung-Hsuan Lai, Fu-En Yang, Yu-Chiang Frank Wang. ECCV 2024,
arXiv 2311.17717.

A small adapter beside every cross-attention of a frozen model. In an outer step, vectors after the prompt are moved
`inner` times to bring the concept back, and in the last of these passes the adapters learn

    | eps(z, t, p + vectors) - (e_0 - gamma (e_p - e_0)) |^2  +  reg * mean over layers of mean_{outside M} |E(h)|^2

where M is where the frozen model looks while it reads the concept. Structure, losses and numbers follow the published
code; latents and timesteps agree, which they do not there. Several concepts: the sum of adapters of one each; of more
than `Plan.separate`, adapters that learn one of them an outer step, as the published code takes all I2P words for one.

The published optimiser of the vectors is followed: Adam, a weight decay of 0.1 in its gradient. Where gradients are
small, decay is nearly all of it. On emoji-sd, beside erasers of small random weights, it was 5e-2 to 1e-5, and vectors
that only shrank came as near to the concept (a loss of 1.6e-3 to 1.0e-3 in 50 steps) as attacking ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.hosts.sd import Host, fits, stock_guide, tokens
from dumo_bench.interfaces import Method
from dumo_bench.kit import adapter, attention, latents, train
from dumo_bench.kit.adapter import Adapter
from dumo_bench.kit.latents import Latents, Pool, Trajectory
from dumo_bench.kit.tokens import after, spliced, words
from dumo_bench.types import Edit, Guide

VECTORS, ATTACK_RATE, ATTACK_DECAY = 16, 0.1, 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """The published numbers, or those of a small host.

    cells: the mask is made of the attention maps whose side is the latents' over this, or nearest to it; rows: prompts
    an outer step, of which the share `plain` is not attacked; captions: whole captions in place of the concept's name
    alone; keep: prompts that must stay, where `retain` gives them a weight. harvest: 0, and every step samples its rows
    until one level; else they are drawn from all levels of whole runs, of so many captions each, made anew every
    `refresh` steps of a concept. ema: decay of a mean of the weights, which is then the result. separate: up to so many
    concepts have adapters of their own.
    """

    steps: int
    inner: int
    lr: float
    rank: int
    run: Trajectory
    cells: int = 4
    rows: int = 1
    plain: float = 0.0
    captions: bool = False
    harvest: int = 0
    refresh: int = 0
    retain: float = 0.0
    keep: int = 32
    ema: float = 0.0
    separate: int = 3


#: a narrow model knows its concepts from few captions, so it learns from those; it has no spare directions, so what
#: must stay is asked for; and what is learnt of attacked rows alone is half made where nothing attacks (of the change
#: that emoji-sd's noto needs, 0.5 at the first levels). Its latents of 8 x 8 leave a mask of 4 x 4, a quarter being
#: 2 x 2. Ours, not the paper's.
_SMALL = Plan(
    200, 2, 3e-3, 64, Trajectory(), cells=2, rows=16, plain=0.5, captions=True,
    retain=1.0, keep=96, harvest=12, refresh=25, ema=0.95, separate=1,
)  # fmt: skip
#: text width of the host -> plan; 768 is SD 1.x, 128 is emoji-sd
PLANS: dict[int, Plan] = {768: Plan(500, 50, 3e-4, 128, Trajectory(50)), 128: _SMALL}
#: in its place where one set of adapters learns several concepts. On emoji-sd the sum of three sets left 0.53 of the
#: related objects, of seven 0.09: what each moves of them adds up.
SHARED: dict[int, Plan] = {128: replace(_SMALL, steps=240, lr=2e-3, retain=5.0, keep=168)}


@dataclass(frozen=True)
class Receler(Method):
    """gamma: how far beyond the empty prompt the target lies, ESD's eta; reg, threshold: of the mask's regulariser.

    steps, inner: outer and inner iterations; retain: weight of prompts that must stay, 0 in the paper; strength: what
    the adapters are multiplied by at inference. None takes the host's plan.
    """

    name: ClassVar[str] = "receler"
    version: ClassVar[str] = "4"
    cite: ClassVar[str] = "Huang et al., ECCV 2024, arXiv 2311.17717"
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

    def parts(self, host: Host, erase: Sequence[str]) -> list[tuple[str, ...]]:
        """The concept groups that have adapters of their own; their edits are made one by one and joined."""
        return train.groups(erase, self.plan(host, 1).separate)

    def join(self, edits: Sequence[Edit]) -> Edit:
        """Several concepts are the sum of what their adapters say: the edits side by side."""
        first = dict(edits[0].header)
        return Edit(
            adapter.side_by_side(edits),
            {**first, "sets": len(edits), "curves": [c for e in edits for c in e.header["curves"]]},
        )

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        groups = self.parts(host, erase)
        if len(groups) > 1:
            return self.join([self.fit(host, group, seed=seed) for group in groups])
        plan, g = self.plan(host, len(erase)), train.seeded(seed)
        erasers = adapter.fresh(host.unet, plan.rank, g)
        loss = Lesson(host, self, erase, erasers, g)
        how = train.Fit(plan.steps, plan.lr, f"Receler {' + '.join(erase)}", plan.ema)
        curve = train.fit(loss, adapter.parameters(erasers), how, g, loss)
        made = {f"adapter.0.{k}": t for k, t in adapter.state(erasers).items()}
        return Edit(made, {"sets": 1, "rank": plan.rank, "curves": [{"eraser": curve, "attack": loss.attacks}]})

    def plan(self, host: Host, concepts: int) -> Plan:
        """The host's plan for adapters of so many concepts, with what this method's own settings say otherwise."""
        own = {k: getattr(self, k) for k in ("steps", "inner", "lr", "rank", "retain") if getattr(self, k) is not None}
        width = host.unet.config.cross_attention_dim
        usual = PLANS.get(width, PLANS[768])
        return replace(usual if concepts == 1 else SHARED.get(width, usual), **own)

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        with adapter.attached(host.unet, adapter.sets(host.unet, edit), self.strength):
            yield partial(stock_guide, host)


class Attack:
    """Vectors that bring a concept back, float32 on any host, and their optimiser; both go on from step to step."""

    def __init__(self, host: Host, g: torch.Generator) -> None:
        start = torch.rand(VECTORS, host.unet.config.cross_attention_dim, generator=g)
        self.vectors = nn.Parameter(start.to(host.device))
        self.adam = torch.optim.Adam([self.vectors], lr=ATTACK_RATE, weight_decay=ATTACK_DECAY)

    def state_dict(self) -> dict[str, Any]:
        return {"vectors": self.vectors.detach(), "adam": self.adam.state_dict()}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        self.vectors.data.copy_(kept["vectors"])
        self.adam.load_state_dict(kept["adam"])


class Lesson:
    """The loss of an outer step, of one of the concepts. They have a set of vectors each.

    `attacks` keeps how near the vectors came to the concept, before and after each outer step.
    """

    def __init__(
        self, host: Host, method: Receler, concepts: Sequence[str], erasers: Mapping[str, Adapter], g: torch.Generator
    ) -> None:
        self.host, self.method, self.concepts, self.erasers = host, method, concepts, erasers
        self.plan = plan = method.plan(host, len(concepts))
        self.texts = {c: train.prompts(host, [c])[0] if plan.captions else [c] for c in concepts}
        self.pools = {c: Pool(host.device) for c in concepts}
        self.attackers = {c: Attack(host, g) for c in concepts}
        self.stay = latents.kept(host, concepts, plan.keep, g, plan.run) if plan.retain else None
        self.attacks: list[tuple[float, float]] = []

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        turn, which = divmod(step, len(self.concepts))
        concept = self.concepts[which]
        rows = self.seen(concept, turn, g)
        there, target, where = self.frozen(rows, concept)
        made, outputs = self.attacked(rows, there, self.attackers[concept])
        loss = F.mse_loss(made, target) + self.method.reg * outside(outputs, where)
        return loss if self.stay is None else loss + self.plan.retain * self.moved(self.stay.draw(self.plan.rows, g))

    def state_dict(self) -> dict[str, Any]:
        """What was noted, every concept's vectors as they were left, and its rows."""
        each = {
            c: {"attack": self.attackers[c].state_dict(), "rows": self.pools[c].state_dict()} for c in self.concepts
        }
        return {"attacks": self.attacks, "each": each}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        self.attacks[:] = kept["attacks"]
        for concept, own in kept["each"].items():
            self.attackers[concept].load_state_dict(own["attack"])
            self.pools[concept].load_state_dict(own["rows"])

    def seen(self, concept: str, turn: int, g: torch.Generator) -> Latents:
        """Rows of a concept, sampled with the erasers on; the anchor of its name alone is ""."""
        plan, say, guide = (
            self.plan,
            latents.saying([self.texts[concept]], self.concepts, g),
            partial(stock_guide, self.host),
        )
        with adapter.attached(self.host.unet, [self.erasers]):
            if not plan.harvest:
                return latents.stopped(self.host, guide, *say(plan.rows), plan.run, g)
            if turn % plan.refresh == 0:
                self.pools[concept].add(latents.harvest(self.host, guide, say, plan.harvest, plan.run, g))
        return self.pools[concept].draw(plan.rows, g)

    @torch.no_grad()
    def frozen(self, rows: Latents, concept: str) -> tuple[Tensor, Tensor, Tensor]:
        """What the frozen model says of the concept, what the erased one should say, and where the concept is."""
        unet = self.host.unet
        word = words(self.host, rows.ids, tokens(self.host, [concept])[0][0])
        with attention.watched(unet) as maps:
            there = latents.estimate(unet, rows.z, rows.t, rows.context)
        looked = attention.nearest(list(maps.values()), rows.z.shape[-1] // self.plan.cells)
        away = latents.estimate(unet, rows.z, rows.t, rows.anchor)
        return there, away - self.method.gamma * (there - away), attention.mask(looked, word, self.method.threshold)

    def attacked(self, rows: Latents, there: Tensor, attacker: Attack) -> tuple[Tensor, dict[str, Tensor]]:
        """The erased model's estimate and its adapters' outputs, of all rows, in the last of the attack's passes."""
        n, end, said = len(rows) - int(self.plan.plain * len(rows)), after(self.host, rows.ids), list[float]()
        with adapter.attached(self.host.unet, [self.erasers]) as outputs:
            for i in range(self.plan.inner):
                last = i + 1 == self.plan.inner
                seen = rows if last else rows.rows(slice(n))
                context = torch.cat([spliced(rows.context[:n], end[:n], attacker.vectors), seen.context[n:]])
                made = latents.estimate(self.host.unet, seen.z, seen.t, context)
                alike = F.mse_loss(made[:n], there[:n])
                (attacker.vectors.grad,) = torch.autograd.grad(alike, [attacker.vectors], retain_graph=last)
                attacker.adam.step()
                said.append(float(alike.detach()))
            self.attacks.append((said[0], said[-1]))
            return made, dict(outputs)

    def moved(self, rows: Latents) -> Tensor:
        """How far the erased model is from the frozen one on prompts that must stay."""
        with torch.no_grad():
            target = latents.estimate(self.host.unet, rows.z, rows.t, rows.context)
        with adapter.attached(self.host.unet, [self.erasers]):
            return F.mse_loss(latents.estimate(self.host.unet, rows.z, rows.t, rows.context), target)


def outside(outputs: Mapping[str, Tensor], where: Tensor) -> Tensor:
    """Mean over layers of the mean over pixels outside the mask (n, 1, s, s) of the mean square of (n, pixels, C)."""
    layers = []
    for said in outputs.values():
        side = round(said.shape[1] ** 0.5)
        out = 1 - F.interpolate(where, size=(side, side), mode="nearest").flatten(1)
        layers.append((out * said.square().mean(-1)).sum() / out.sum().clamp(min=1))
    return torch.stack(layers).mean()
