"""What an eraser learns from, step by step: rows of the concepts, and rows of prompts that it is to leave alone.

    lesson = Lesson(host, plan, erase, g)           # samples what is to be retained
    erased, retained = lesson.rows(step, guide, g)  # Latents; the latter None where plan.retain is 0

Given to `train.fit` as what it has to remember, it gives a stopped fit the rows that it had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, ClassVar, Generic, Literal, Self, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.kit import train
from dumo_bench.kit.latents import Latents, Say, Trajectory, estimate, harvest, stopped
from dumo_bench.types import Guide

BATCH = 24  # prompts sampled at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long, how fast and on what an eraser learns; what is not given is as most papers have it.

    steps, lr: of Adam. ema: decay of a running mean of the weights, which is then the result; 0: the last ones are.
    run: how latents are sampled. rows: of the concepts, a step. harvest: 0, and every step samples concepts' bare names
    until one level; else rows are drawn from all levels of whole runs of so many captions, made anew every `refresh`
    steps. retain: weight of prompts without the concepts; retain_prompts: how many of these are sampled, once, by the
    unedited model; retain_rows: of them, a step.
    """

    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("steps", "harvest", "retain"), "[0, inf)"),
        **dict.fromkeys(("rows", "refresh", "retain_prompts", "retain_rows"), "[1, inf)"),
        "lr": "(0, inf)", "ema": "[0, 1)",
    }  # fmt: skip

    steps: int
    lr: float
    run: Trajectory
    ema: float = 0.0
    rows: int = 1
    harvest: int = 0
    refresh: int = 1
    retain: float = 0.0
    retain_prompts: int = 32
    retain_rows: int = 1

    def fit(self, label: str) -> train.Fit:
        """The loop's own part of the plan."""
        return train.Fit(self.steps, self.lr, label, self.ema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Split(Plan):
    """lr: of the cross-attentions, lr_outside: of all else."""

    bounds: ClassVar[Mapping[str, str]] = {**Plan.bounds, "lr_outside": "(0, inf)"}

    lr_outside: float = 1e-5

    def at(self, variant: str, lr: float | None) -> Self:
        """The plan with a rate for what is trained: the variant's own unless one is given; "u" is outside."""
        return replace(self, lr=lr if lr is not None else self.lr_outside if variant == "u" else self.lr)


P = TypeVar("P", bound=Plan)
Anchor: TypeAlias = Callable[[str], str]  # what a text is taught towards
Mix: TypeAlias = Literal["in turn", "together", "apart", "joined"]


class Lesson(Generic[P]):
    """The rows of every step of a fit.

    mix: what several concepts are to one another. "in turn": their captions take turns within a run; "together": all
    their captions are one list; "apart": each has rows of its own, and a step is of one of them, in turn; "joined": the
    same, but a run of bare names is of all of them, with commas between.
    """

    def __init__(self, host: Host, plan: P, erase: Sequence[str], g: torch.Generator, mix: Mix = "in turn") -> None:
        lists = [erase] if mix == "together" else [[concept] for concept in erase]
        captions = [train.prompts(host, concepts)[0] for concepts in lists]
        several = mix in ("apart", "joined")
        own = zip(lists, [[one] for one in captions], strict=True) if several else [(erase, captions)]
        said = ", ".join(erase) if mix == "joined" else ""
        self.plan, self.erase = plan, erase
        self.sources = [Source(host, plan, names, every, self.anchor, said) for names, every in own]
        self.retained = retained(host, erase, plan.retain_prompts, plan.run, g) if plan.retain else None

    def anchor(self, text: str) -> str:
        """What a text is taught towards: "" if it is a concept's name, else what is left without the concepts."""
        return "" if text in self.erase else train.without(text, self.erase)

    def rows(self, step: int, guide: Guide, g: torch.Generator) -> tuple[Latents, Latents | None]:
        """The rows of a step: of the concepts, sampled by the guide's model as it is now, and of what is retained."""
        turn, which = divmod(step, len(self.sources))
        erased = self.sources[which].rows(turn, guide, g)
        return erased, None if self.retained is None else self.retained.draw(self.plan.retain_rows, g)

    def further(self, step: int, guide: Guide, g: torch.Generator) -> Latents:
        """More rows of the concepts of a step: drawn from those that were made, or sampled by the model as it is."""
        return self.sources[step % len(self.sources)].further(guide, g)

    def state_dict(self) -> dict[str, Any]:
        return {"pools": [source.pool.state_dict() for source in self.sources]}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        for source, own in zip(self.sources, kept["pools"], strict=True):
            source.pool.load_state_dict(own)


@dataclass(slots=True)
class Source:
    """Rows of some concepts, towards the anchors of their texts.

    joined: what the runs of bare names are of, in place of the name itself.
    """

    host: Host
    plan: Plan
    names: Sequence[str]
    captions: Sequence[Sequence[str]]
    anchor: Anchor
    joined: str = ""
    pool: Pool = field(init=False)

    def __post_init__(self) -> None:
        self.pool = Pool(self.host.device)

    def rows(self, turn: int, guide: Guide, g: torch.Generator) -> Latents:
        plan = self.plan
        if not plan.harvest:
            return self.bare(guide, g)
        if turn % plan.refresh == 0:
            say = saying(self.captions, self.anchor, g)
            self.pool.add(harvest(self.host, guide, say, plan.harvest, plan.run, g))
        return self.pool.draw(plan.rows, g)

    def further(self, guide: Guide, g: torch.Generator) -> Latents:
        return self.pool.draw(self.plan.rows, g) if self.plan.harvest else self.bare(guide, g)

    def bare(self, guide: Guide, g: torch.Generator) -> Latents:
        """Rows of bare names, of one level."""
        texts = train.choose(self.names, self.plan.rows, g)
        runs = [self.joined] * len(texts) if self.joined else texts
        found = stopped(self.host, guide, runs, [self.anchor(text) for text in texts], self.plan.run, g)
        return found.saying(self.host, texts) if self.joined else found


class Pool:
    """Rows to draw from, which grow as a fit goes on, and are kept when it is stopped."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.all: Latents | None = None

    def add(self, new: Latents) -> None:
        self.all = new if self.all is None else Latents.joined([self.all, new])

    def draw(self, n: int, g: torch.Generator) -> Latents:
        """n rows with replacement."""
        assert self.all is not None, "add comes before draw"
        return self.all.draw(n, g)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.all is None else {f.name: getattr(self.all, f.name) for f in fields(Latents)}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        self.all = Latents(**{name: tensor.to(self.device) for name, tensor in kept.items()}) if kept else None


def saying(captions: Sequence[Sequence[str]], anchor: Anchor, g: torch.Generator) -> Say:
    """Captions of the lists in turn, each with its anchor."""

    def say(n: int) -> tuple[list[str], list[str]]:
        texts = [train.choose(captions[i % len(captions)], 1, g)[0] for i in range(n)]
        return texts, [anchor(text) for text in texts]

    return say


def retained(host: Host, concepts: Sequence[str], n: int, run: Trajectory, g: torch.Generator) -> Latents:
    """Latents at every level of n prompts without the concepts, sampled by the host as it is; each its own anchor."""
    plain = train.prompts(host, concepts)[1]

    def say(count: int) -> tuple[list[str], list[str]]:
        texts = train.choose(plain, count, g)
        texts[::6] = [""] * len(texts[::6])  # the unconditional half of guidance must stay as well
        return texts, texts

    parts = [min(BATCH, n - i) for i in range(0, n, BATCH)]
    return Latents.joined([harvest(host, partial(stock_guide, host), say, part, run, g) for part in parts])


def unchanged(frozen: Any, edited: Any, rows: Latents) -> Tensor:
    """|eps(z, t, c) - eps0(z, t, c)|^2, mean over elements: how far the edited network is from the frozen one."""
    with torch.no_grad():
        wanted = estimate(frozen, rows.z, rows.t, rows.context)
    return F.mse_loss(estimate(edited, rows.z, rows.t, rows.context), wanted)


def away(frozen: Any, student: Any, rows: Latents, eta: float) -> Tensor:
    """ESD's |eps(z, t, p) - (e_0 - eta (e_p - e_0))|^2, mean over elements: away from p by what guidance goes to it."""
    wanted = opposite(frozen, rows, eta)
    return F.mse_loss(estimate(student, rows.z, rows.t, rows.context), wanted)


@torch.no_grad()
def opposite(frozen: Any, rows: Latents, eta: float) -> Tensor:
    """ESD's target e_0 - eta (e_p - e_0), by the frozen model."""
    e_p, e_0 = (estimate(frozen, rows.z, rows.t, said) for said in (rows.context, rows.anchor))
    return e_0 - eta * (e_p - e_0)
