"""Training blocks shared by erasers that learn: the prompts to learn from, the fit loop."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench import progress
from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host
from dumo_bench.kit import resume
from dumo_bench.kit.resume import Stateful

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
    """The text with the concepts' words taken out, and what that leaves tidied.

    What only says whose style it is goes with them ("drawn by X", "in X style"): a model knows no "a bear drawn by".
    """
    for concept in concepts:
        word = re.escape(concept)
        whose = rf" ?\b(?:(?:drawn |painted )?by|in the style of) {word}| ?\bin {word} style"
        text = re.sub(rf"(?:{whose}|(?<!\w)(?:an? )?{word}(?: style)?)(?!\w)", "", text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", re.sub(r",\s*(?=,)", "", text)).strip(" ,")


def prompts(host: Host, concepts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Prompts that mention one of the concepts, and prompts that mention none.

    They come from the host's own world where it has one, else from general templates. A world says what a concept
    could stand in for (the other objects, the other styles), and its prompts of those are said of the concept as well:
    a style must go from every object, and few of a world's prompts name both.
    """
    own = host.world.get("prompts", ())
    naming = [p for p in own if any(mentions(p, c) for c in concepts)]
    plain = [p for p in own or PLAIN if not any(mentions(p, c) for c in concepts)]
    for concept in concepts:
        peers = [w for kind in ("objects", "styles") if concept in host.world.get(kind, ()) for w in host.world[kind]]
        naming += renamed(plain, peers, concept)
    if not naming:
        naming = [t.format(c) for c in concepts for t in TEMPLATES]
    return list(dict.fromkeys(naming)), [*plain, ""]


def renamed(texts: Iterable[str], peers: Iterable[str], concept: str) -> list[str]:
    """Those of the texts that mention a peer, with the concept in the place of the first, its article with it."""
    words = "|".join(re.escape(w) for w in sorted(peers, key=len, reverse=True))
    if not words:
        return []
    named = re.compile(rf"(?<!\w)(an? )?(?:{words})(?!\w)", re.IGNORECASE)
    article = "an " if concept[:1].lower() in "aeiou" else "a "
    found = [named.subn(lambda m: (article if m[1] else "") + concept, text, count=1) for text in texts]
    return [text for text, n in found if n]


def instead(text: str, concept: str, other: str, erase: Iterable[str]) -> str:
    """The text with another concept in the place of one of those erased; of "", what is left of it without them all."""
    found = renamed([text], [concept], other) if other else []
    return found[0] if found else without(text, erase)


def each(method: str, what: str, given: Sequence[str], erase: Sequence[str]) -> list[str]:
    """What was given, one a concept; one alone is of all. UserError where there are more or fewer."""
    if len(given) not in (1, len(erase)):
        raise UserError(f"{method}: {len(given)} {what}s for {len(erase)} concepts: wanted one for all, or one each")
    return list(given) * (len(erase) if len(given) == 1 else 1)


def groups(erase: Sequence[str], separate: int) -> list[tuple[str, ...]]:
    """Each concept by itself up to so many; of more, all of them together."""
    return [(concept,) for concept in erase] if len(erase) <= separate else [tuple(erase)]


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
    loss: Callable[[int, torch.Generator], Tensor],
    params: Iterable[nn.Parameter],
    plan: Fit,
    g: torch.Generator,
    memory: Stateful | None = None,
    copy: Sequence[nn.Parameter] = (),
) -> list[float]:
    """Adam on `params`; returns the loss of every step. Nothing else is given a gradient.

    Parameters in half precision are rounded copies of float32 ones, which are what Adam moves: its steps are mostly
    too small for theirs. memory: what the loss remembers from step to step, so that a stopped fit can go on. copy:
    of another network, in the order of `params`: they are the mean while it runs, for a loss that samples by it.
    """
    free = list(params)
    exact = [p.detach().float() if p.dtype in (torch.float16, torch.bfloat16) else p for p in free]
    mean = [p.detach().clone() for p in exact] if plan.ema else exact
    scale = 1024.0 if any(p.dtype == torch.float16 for p in free) else 1.0  # its small gradients would be zero
    state = State(exact, mean, torch.optim.Adam(exact, lr=plan.lr), g, memory)
    with resume.stage(state) as after:
        _copy(free, exact)
        _copy(copy, mean[: len(copy)])
        for step in progress.track(range(len(state.curve), plan.steps), plan.label):
            value = loss(step, g)
            state.curve.append(_finite(value, step, plan))
            for p, grad in zip(exact, torch.autograd.grad(value * scale, free, allow_unused=True), strict=True):
                p.grad = None if grad is None else grad.to(p.dtype) / scale
            state.optimiser.step()
            _copy(free, exact)
            if plan.ema:
                torch._foreach_lerp_(mean, [p.detach() for p in exact], 1 - plan.ema)
            _copy(copy, mean[: len(copy)])
            after(step + 1 == plan.steps)
    _copy(free, mean)
    return state.curve


@torch.no_grad()
def _copy(to: Iterable[Tensor], of: Iterable[Tensor]) -> None:
    for p, new in zip(to, of, strict=True):
        p.copy_(new)


@dataclass
class State:
    """What a fit is between two steps."""

    exact: list[Tensor]
    mean: list[Tensor]
    optimiser: torch.optim.Adam
    g: torch.Generator
    memory: Stateful | None
    curve: list[float] = field(default_factory=list)

    def state_dict(self) -> dict[str, Any]:
        return {
            "exact": [p.detach() for p in self.exact],
            "mean": [p.detach() for p in self.mean],
            "optimiser": self.optimiser.state_dict(),
            "g": self.g.get_state(),
            "memory": self.memory.state_dict() if self.memory else {},
            "curve": self.curve,
        }

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        _copy(self.exact, kept["exact"])
        _copy(self.mean, kept["mean"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.g.set_state(kept["g"])
        if self.memory:
            self.memory.load_state_dict(kept["memory"])
        self.curve[:] = kept["curve"]


def _finite(value: Tensor, step: int, plan: Fit) -> float:
    number = float(value.detach())
    if not math.isfinite(number):
        raise UserError(f"{plan.label}: the loss of step {step} is {number}: try --set lr={plan.lr / 2:g}, or float32")
    return number


def seeded(seed: int) -> torch.Generator:
    """The one generator of a fit."""
    return torch.Generator().manual_seed(seed)
