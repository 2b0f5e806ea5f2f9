"""The erased model as a white-box attack sees it: what it tells of noised pictures, with a gradient, and the cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.hosts.sd import Host, encode, stock_guide, tokens
from dumo_bench.kit.pictures import Pictures
from dumo_bench.kit.places import Places
from dumo_bench.types import Conditions, Guide


@dataclass
class Seen:
    """A guide's model inside its edit.

    guidance: of the estimate; at 1 it is the estimate with the text alone, which no negative prompt changes. forwards:
    rows that went through it, one with its gradient as three.
    """

    host: Host
    guide: Guide
    guidance: float = 1.0
    forwards: int = 0
    plain: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.plain = encode(self.host, [""])

    def estimate(self, z: Tensor, t: int, texts: Sequence[str], ids: Tensor, context: Tensor) -> Tensor:
        """What it tells (n, c, h, w) of latents z at a timestep, said to be of 1 or n texts with tokens and states."""
        n = len(z)
        halves = 1 if self.guidance == 1 else 2
        self.forwards += n * halves * (3 if context.requires_grad or z.requires_grad else 1)
        if halves == 1 and getattr(self.guide, "func", None) is stock_guide:  # the half without the text is not needed
            return self.host.estimate(z, torch.tensor(t, device=z.device), context.expand(n, -1, -1).to(z.dtype))
        scale = torch.full((n,), self.guidance, device=z.device, dtype=z.dtype)
        given = Conditions(
            tuple(texts) * (n // len(texts)), ids.expand(n, -1), context.expand(n, -1, -1).to(z.dtype),
            self.plain.expand(n, -1, -1), scale,
        )  # fmt: skip
        return self.guide(given)(z, torch.tensor(t, device=z.device))

    @torch.no_grad()
    def of(self, text: str, z: Tensor, t: int) -> Tensor:
        """The same of a text as any prompt is read."""
        return self.estimate(z, t, [text], tokens(self.host, [text])[0], encode(self.host, [text]))


@dataclass(frozen=True, eq=False)
class Question:
    """Noised latents z (n, c, h, w) at a timestep, and what is to be told of them: noise, or another's estimate."""

    z: Tensor
    t: int
    wanted: Tensor

    def missed(self, told: Tensor) -> Tensor:
        """|told - wanted|^2, mean over elements."""
        return F.mse_loss(told.float(), self.wanted.float())


def noised(pictures: Pictures, which: Tensor, t: int, g: torch.Generator) -> Question:
    """Pictures `which` (n,) under new noise at a timestep; the noise is wanted."""
    z, wanted = pictures.noised(which, torch.full((len(which),), t), g)
    return Question(z, t, wanted)


def told(seen: Seen, open_: Places, drawn: tuple[Tensor, Tensor], asked: Question) -> Tensor:
    """How far the model is from what is wanted, with tokens (k,) and vectors (k, d) in a text's free places."""
    chosen, vectors = drawn
    context = open_.read(seen.host, chosen, vectors)
    text = open_.text(seen.host, chosen)
    return asked.missed(seen.estimate(asked.z, asked.t, [text], open_.filled(chosen), context))


@dataclass
class Candidates:
    """Texts that a search passes, each with how far the model is from what is wanted when it is given the text as any
    prompt is, tokenised again: the mean over questions that were put aside."""

    seen: Seen
    aside: Sequence[Question]
    missed: dict[str, float] = field(default_factory=dict)

    def of(self, text: str) -> float:
        if text not in self.missed:
            every = (one.missed(self.seen.of(text, one.z, one.t)) for one in self.aside)
            self.missed[text] = sum(map(float, every)) / len(self.aside)
        return self.missed[text]

    @property
    def best(self) -> str:
        return min(self.missed, key=self.missed.__getitem__)
