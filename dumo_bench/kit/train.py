"""Training blocks shared by erasers that learn: the prompts to learn from, the fit loop."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dumo_bench import progress
from dumo_bench.sd import Host
from dumo_bench.types import UserError

#: contexts for a host that says nothing of its own vocabulary
TEMPLATES = (
    "{}",
    "a photo of {}",
    "a painting of {}",
    "a picture of {} at night",
    "a drawing of {} on white paper",
    "a close view of {}",
    "{} in a garden",
    "{} beside a window",
)
PLAIN = (
    "a bowl of fruit on a table",
    "a street after the rain",
    "an old man reading",
    "a red bicycle against a wall",
    "mountains at dawn",
    "two children on a beach",
    "a dog asleep on a sofa",
    "an oil painting of a harbour",
    "a glass tower",
    "a bird on a branch",
    "a plate of noodles",
    "a portrait of a woman with a hat",
    "a wooden chair",
    "a map of an island",
    "a train in the snow",
    "a city seen from above",
)


def mentions(text: str, concept: str) -> bool:
    """Whether the concept stands in the text as whole words, in any case."""
    return re.search(rf"(?<!\w){re.escape(concept)}(?!\w)", text, re.IGNORECASE) is not None


def without(text: str, concepts: Iterable[str]) -> str:
    """The text with the concepts' words taken out, and what that leaves tidied."""
    for concept in concepts:
        text = re.sub(rf"(?<!\w)(an? )?{re.escape(concept)}(?!\w)", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip(" ,")


def prompts(host: Host, concepts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Prompts that mention one of the concepts, and prompts that mention none.

    They come from the host's own world where it has one, else from general templates.
    """
    own = host.world.get("prompts", ())
    naming = [p for p in own if any(mentions(p, c) for c in concepts)]
    if not naming:
        naming = [t.format(c) for c in concepts for t in TEMPLATES]
    plain = [p for p in own or PLAIN if not any(mentions(p, c) for c in concepts)]
    return naming, [*plain, ""]


def choose(items: Sequence[str], n: int, g: torch.Generator) -> list[str]:
    """n items drawn with replacement."""
    return [items[int(i)] for i in torch.randint(len(items), (n,), generator=g)]


@dataclass(frozen=True, slots=True)
class Fit:
    """Length and rate of a fit. `ema`: decay of a running mean of the weights, which is then the result; 0: none."""

    steps: int
    lr: float
    label: str = "fit"
    ema: float = 0.0


def fit(
    loss: Callable[[int, torch.Generator], Tensor], params: Iterable[nn.Parameter], plan: Fit, g: torch.Generator
) -> list[float]:
    """Adam on `params`; returns the loss of every step. Nothing else is given a gradient.

    Parameters in half precision are rounded copies of float32 ones, which are what Adam moves: its steps are mostly
    too small for theirs.
    """
    free = list(params)
    exact = [p.detach().float() if p.dtype in (torch.float16, torch.bfloat16) else p for p in free]
    mean = [p.detach().clone() for p in exact] if plan.ema else exact
    scale = 1024.0 if any(p.dtype == torch.float16 for p in free) else 1.0  # its small gradients would be zero
    optimiser = torch.optim.Adam(exact, lr=plan.lr)
    curve: list[float] = []
    for step in progress.track(range(plan.steps), plan.label, plan.steps):
        value = loss(step, g)
        curve.append(_finite(value, step, plan))
        for p, grad in zip(exact, torch.autograd.grad(value * scale, free, allow_unused=True), strict=True):
            p.grad = None if grad is None else grad.to(p.dtype) / scale
        optimiser.step()
        with torch.no_grad():
            for p, new, average in zip(free, exact, mean, strict=True):
                p.copy_(new)
                average.lerp_(new, 1 - plan.ema)
    for p, average in zip(free, mean, strict=True):
        p.data.copy_(average)
    return curve


def _finite(value: Tensor, step: int, plan: Fit) -> float:
    number = float(value.detach())
    if not math.isfinite(number):
        raise UserError(f"{plan.label}: the loss of step {step} is {number}: try --set lr={plan.lr / 2:g}, or float32")
    return number


def seeded(seed: int) -> torch.Generator:
    """The one generator of a fit."""
    return torch.Generator().manual_seed(seed)
