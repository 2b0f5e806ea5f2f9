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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.kit import latents, parameters, train
from dumo_bench.kit.checkpointing import recomputed
from dumo_bench.kit.latents import Latents, Pool, Trajectory
from dumo_bench.types import Edit, Guide

#: variant -> what is trained: of the paper (its code's `xattn`, `noxattn`), and of the later release
TRAINED: Mapping[str, Mapping[str, str]] = {
    "paper": {"x": "attn2", "strict": "kv", "u": "noxattn"},
    "2025": {"x": "attn2", "strict": "kv", "u": "noxattn-linear"},
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, how fast and on what latents. Rates of Adam: of the cross-attentions, and of all that is outside them.

    harvest: 0, and every step samples the concept's own name until one level, one row a step; else `rows` rows a step
    are drawn from all levels of whole runs, of `harvest` captions each, made anew every `refresh` steps. keep: prompts
    that must stay, where `retain` gives them a weight. ema: decay of a mean of the weights, which is then the result.
    """

    steps: int
    lr: float
    lr_outside: float
    on_policy: bool
    run: Trajectory
    retain: float = 0.0
    keep: int = 32
    harvest: int = 0
    refresh: int = 0
    rows: int = 1
    ema: float = 0.0


_PAPER = Plan(1000, 1e-5, 1e-5, on_policy=True, run=Trajectory(50))
_LATER = Plan(200, 5e-5, 5e-5, on_policy=False, run=Trajectory(50, sampler="pndm", side=2, align="level"))
#: a narrow model knows its concepts from few captions, so it learns from those, and has no spare directions, so what
#: must stay is asked for. Ours, not the paper's.
_SMALL: dict[str, Any] = {
    "steps": 240, "lr": 2e-4, "lr_outside": 5e-5, "run": Trajectory(20),
    "retain": 3.0, "keep": 72, "harvest": 12, "refresh": 25, "rows": 8, "ema": 0.97,
}  # fmt: skip
#: preset, text width of the host -> plan; 768 is SD 1.x, 128 is emoji-sd
PLANS: dict[tuple[str, int], Plan] = {
    ("paper", 768): _PAPER,
    ("2025", 768): _LATER,
    ("paper", 128): replace(_PAPER, **_SMALL),
    ("2025", 128): replace(_LATER, **_SMALL),
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

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        plan, g = self.plan(host), train.seeded(seed)
        names = parameters.SELECTIONS[TRAINED[self.preset][self.variant]](host.unet)
        student = parameters.twin(host.unet, names)
        learning = dict(student.named_parameters())
        how = train.Fit(plan.steps, plan.lr, f"ESD-{self.variant} {' + '.join(erase)}", plan.ema)
        loss = Lesson(host, student, plan, erase, self.eta, g)
        with recomputed(student, when=self.checkpointing):
            curve = train.fit(loss, [learning[n] for n in names], how, g, loss.pool)
        own = dict(host.unet.named_parameters())
        made = {f"unet.{n}": torch.lerp(own[n], learning[n].detach(), self.strength) for n in names}
        return Edit(made, {"preset": self.preset, "variant": self.variant, "curves": {"esd": curve}})

    def plan(self, host: Host) -> Plan:
        """The host's plan with what this method's own settings say otherwise."""
        width = host.unet.config.cross_attention_dim
        found = PLANS.get((self.preset, width), PLANS[self.preset, 768])
        rate = found.lr_outside if self.variant == "u" else found.lr
        return replace(
            found,
            steps=found.steps if self.steps is None else self.steps,
            lr=rate if self.lr is None else self.lr,
            retain=found.retain if self.retain is None else self.retain,
            ema=found.ema if self.ema is None else self.ema,
            run=found.run if self.align is None else replace(found.run, align=self.align),
        )


class Lesson:
    """The loss of a step: the objective on rows of the concepts, and the retained ones' where they have a weight."""

    def __init__(
        self, host: Host, student: Any, plan: Plan, erase: Sequence[str], eta: float, g: torch.Generator
    ) -> None:
        self.host, self.student, self.plan, self.eta = host, student, plan, eta
        guide = partial(stock_guide, replace(host, unet=student) if plan.on_policy else host)
        self.pool = Pool(host.device)
        self.rows = harvest(host, guide, plan, erase, self.pool) if plan.harvest else single(host, guide, plan, erase)
        self.stay = latents.kept(host, erase, plan.keep, g, plan.run) if plan.retain else None

    def __call__(self, step: int, g: torch.Generator) -> Tensor:
        wrong = objective(self.host.unet, self.student, self.rows(step, g), self.eta)
        if self.stay is None:
            return wrong
        kept = self.stay.draw(self.plan.rows, g)
        return wrong + self.plan.retain * objective(self.host.unet, self.student, kept, 0.0)


def objective(frozen: Any, student: Any, rows: Latents, eta: float) -> Tensor:
    """|eps(z, t, p) - (e_a - eta (e_p - e_a))|^2, mean over elements; the anchor a is "" in the paper.

    With eta 0 and the prompt as its own anchor it is what must not move.
    """
    with torch.no_grad():
        target = latents.estimate(frozen, rows.z, rows.t, rows.anchor)
        if eta:
            target = target - eta * (latents.estimate(frozen, rows.z, rows.t, rows.context) - target)
    made = latents.estimate(student, rows.z, rows.t, rows.context)
    return (made - target).square().mean()


Source = Callable[[int, torch.Generator], Latents]


def single(host: Host, guide: Guide, plan: Plan, erase: Sequence[str]) -> Source:
    """The paper's: a concept is drawn, its name alone is the prompt, and a run stops at one drawn level."""

    def rows(step: int, g: torch.Generator) -> Latents:
        del step
        words = train.choose(erase, plan.rows, g)
        return latents.stopped(host, guide, words, [""] * len(words), plan.run, g)

    return rows


def harvest(host: Host, guide: Guide, plan: Plan, erase: Sequence[str], pool: Pool) -> Source:
    """Rows of all levels of whole runs of captions; the anchor of a caption is what is left without the concept.

    The concepts take turns in a run.
    """
    captions = [train.prompts(host, [concept])[0] for concept in erase]

    def rows(step: int, g: torch.Generator) -> Latents:
        if step % plan.refresh == 0:
            say = latents.saying(captions, erase, g)
            pool.add(latents.harvest(host, guide, say, plan.harvest, plan.run, g))
        return pool.draw(plan.rows, g)

    return rows
