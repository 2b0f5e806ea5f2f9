"""Receler: Reliable Concept Erasing of Text-to-Image Diffusion Models via Lightweight Erasers.

Chi-Pin Huang, Kai-Po Chang, Chung-Ting Tsai, Yung-Hsuan Lai, Fu-En Yang, Yu-Chiang Frank Wang. ECCV 2024,
arXiv 2311.17717.

A small adapter beside every cross-attention of a frozen model. In an outer step, vectors after the prompt are moved
`inner` times to bring the concept back, and in the last of these passes the adapters learn

    | eps(z, t, p + vectors) - (e_0 - gamma (e_p - e_0)) |^2  +  reg * mean over layers of mean_{outside M} |E(h)|^2

where M is where the frozen model looks while it reads the concept. Structure, losses and numbers follow the published
code; latents and timesteps agree, which they do not there. Several concepts: the sum of adapters of one each; of more
than three, adapters that learn one of them an outer step, as the published code takes all I2P words for one concept.
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

from dumo_bench.kit import adapter, attention, latents, train
from dumo_bench.kit.adapter import Adapter
from dumo_bench.kit.latents import Latents, Trajectory
from dumo_bench.kit.tokens import spliced, words
from dumo_bench.sd import Host, fits, stock_guide, tokens
from dumo_bench.types import Edit, Guide, UserError

VECTORS, ATTACK_RATE, ATTACK_DECAY = 16, 0.1, 0.1
SEPARATE = 3  # sums of more move what must stay: seven left 0.1 of emoji-sd's related objects


@dataclass(frozen=True, slots=True)
class Plan:
    """The published numbers, or those of a small host.

    cells: the mask is made of the attention maps whose side is the latents' over this, or nearest to it; rows: prompts
    an outer step, all at one level; captions: whole captions in place of the concept's name alone; keep: prompts that
    must stay, where `retain` gives them a weight. ema: decay of a mean of the weights, which is then the result.
    shared_steps: where one set of adapters learns several concepts.
    """

    steps: int
    shared_steps: int
    inner: int
    lr: float
    rank: int
    run: Trajectory
    cells: int = 4
    rows: int = 1
    captions: bool = False
    retain: float = 0.0
    keep: int = 32
    ema: float = 0.0


#: text width of the host -> plan; 768 is SD 1.x. 128 is emoji-sd, whose plan is ours: it learns from captions, keeps
#: other prompts (the paper has no such term), and its latents of 8 x 8 leave a mask of 4 x 4, a quarter being 2 x 2.
PLANS: dict[int, Plan] = {
    768: Plan(500, 500, 50, 3e-4, 128, Trajectory(50)),
    128: Plan(100, 220, 4, 6e-4, 64, Trajectory(10), cells=2, rows=4, captions=True, retain=2.0, keep=96, ema=0.95),
}


@dataclass(frozen=True)
class Receler:
    """gamma: how far beyond the empty prompt the target lies, ESD's eta; reg, threshold: of the mask's regulariser.

    steps, inner: outer and inner iterations; retain: weight of prompts that must stay, 0 in the paper; strength: what
    the adapters are multiplied by at inference. None takes the host's plan.
    """

    name: ClassVar[str] = "receler"
    version: ClassVar[str] = "3"
    cite: ClassVar[str] = "Huang et al., ECCV 2024, arXiv 2311.17717"
    needs: ClassVar[frozenset[str]] = frozenset({"unet"})

    gamma: float = 1.0
    reg: float = 0.1
    threshold: float = 0.1
    steps: int | None = None
    inner: int | None = None
    lr: float | None = None
    rank: int | None = None
    retain: float | None = None
    strength: float = 1.0

    def parts(self, erase: Sequence[str]) -> list[tuple[str, ...]]:
        """The concept groups that have adapters of their own; their edits are made one by one and joined."""
        return train.groups(erase, SEPARATE)

    def join(self, edits: Sequence[Edit]) -> Edit:
        """Several concepts are the sum of what their adapters say: the edits side by side."""
        first = dict(edits[0].header)
        return Edit(
            adapter.side_by_side(edits),
            {**first, "sets": len(edits), "curves": [c for e in edits for c in e.header["curves"]]},
        )

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        groups = self.parts(erase)
        if len(groups) > 1:
            return self.join([self.fit(host, group, seed=seed) for group in groups])
        plan, g = self.plan(host), train.seeded(seed)
        erasers = adapter.fresh(host.unet, plan.rank, g)
        loss = Lesson(host, self, erase, erasers, g)
        steps = plan.steps if len(erase) == 1 else plan.shared_steps
        how = train.Fit(steps, plan.lr, f"Receler {' + '.join(erase)}", plan.ema)
        curve = train.fit(loss, adapter.parameters(erasers), how, g, loss)
        made = {f"adapter.0.{k}": t for k, t in adapter.state(erasers).items()}
        return Edit(made, {"sets": 1, "rank": plan.rank, "curves": [{"eraser": curve, "attack": loss.attacks}]})

    def plan(self, host: Host) -> Plan:
        """The host's plan with what this method's own settings say otherwise."""
        own = {k: getattr(self, k) for k in ("steps", "inner", "lr", "rank", "retain") if getattr(self, k) is not None}
        plan = replace(PLANS.get(host.unet.config.cross_attention_dim, PLANS[768]), **own)
        if self.steps is not None:
            plan = replace(plan, shared_steps=self.steps)
        if plan.inner < 1:
            raise UserError(f"receler: inner={plan.inner}: wanted 1 or more, the eraser learns in the last inner step")
        return plan

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
        self.plan = plan = method.plan(host)
        self.texts = {c: train.prompts(host, [c])[0] if plan.captions else [c] for c in concepts}
        self.attackers = {c: Attack(host, g) for c in concepts}
        self.stay = latents.kept(host, concepts, plan.keep, g, plan.run) if plan.retain else None
        self.attacks: list[tuple[float, float]] = []

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        concept = self.concepts[step % len(self.concepts)]
        texts = train.choose(self.texts[concept], self.plan.rows, g)
        rows = self.seen(texts, g)
        there, target, where = self.frozen(rows, texts, concept)
        made, outputs = self.attacked(rows, tokens(self.host, texts)[1].sum(1) - 1, there, self.attackers[concept])
        loss = F.mse_loss(made, target) + self.method.reg * outside(outputs, where)
        return loss if self.stay is None else loss + self.plan.retain * self.moved(self.stay.draw(self.plan.rows, g))

    def state_dict(self) -> dict[str, Any]:
        """What was noted, and every concept's vectors as they were left."""
        return {"attacks": self.attacks, **{c: attacker.state_dict() for c, attacker in self.attackers.items()}}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        self.attacks[:] = kept["attacks"]
        for concept, attacker in self.attackers.items():
            attacker.load_state_dict(kept[concept])

    def seen(self, texts: Sequence[str], g: torch.Generator) -> Latents:
        """Latents of one level, sampled with the erasers on; the anchor of the concept's name alone is ""."""
        anchors = [train.without(text, self.concepts) for text in texts]
        with adapter.attached(self.host.unet, [self.erasers]):
            return latents.stopped(self.host, partial(stock_guide, self.host), texts, anchors, self.plan.run, g)

    @torch.no_grad()
    def frozen(self, rows: Latents, texts: Sequence[str], concept: str) -> tuple[Tensor, Tensor, Tensor]:
        """What the frozen model says of the concept, what the erased one should say, and where the concept is."""
        unet = self.host.unet
        word = words(self.host, tokens(self.host, texts)[0], tokens(self.host, [concept])[0][0])
        with attention.watched(unet) as maps:
            there = latents.estimate(unet, rows.z, rows.t, rows.context)
        looked = attention.nearest(list(maps.values()), rows.z.shape[-1] // self.plan.cells)
        away = latents.estimate(unet, rows.z, rows.t, rows.anchor)
        return there, away - self.method.gamma * (there - away), attention.mask(looked, word, self.method.threshold)

    def attacked(self, rows: Latents, end: Tensor, there: Tensor, attacker: Attack) -> tuple[Tensor, dict[str, Tensor]]:
        """The erased model's estimate and its adapters' outputs in the last of the attack's passes."""
        said: list[float] = []
        with adapter.attached(self.host.unet, [self.erasers]) as outputs:
            for i in range(self.plan.inner):
                last = i + 1 == self.plan.inner
                context = spliced(rows.context, end, attacker.vectors)
                made = latents.estimate(self.host.unet, rows.z, rows.t, context)
                alike = F.mse_loss(made, there)
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
