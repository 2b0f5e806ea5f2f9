"""The pictures that the judge and the scoring CLIP learn from: drawings as any artist might have drawn them.

Everything is batched, lives on the drawings' device and is drawn from the generator alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from dumo_bench.emoji import recolour, warp, wear, world
from dumo_bench.emoji.drawings import Drawings


@dataclass(frozen=True)
class Batch:
    """picture (n, 3, 64, 64) in 0..1; object, style, background (n,) long, -100 where it is not known."""

    picture: Tensor
    object: Tensor
    style: Tensor
    background: Tensor

    def __add__(self, other: Batch) -> Batch:
        pairs = zip(self._parts(), other._parts(), strict=True)
        return Batch(*(torch.cat(pair) for pair in pairs))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.picture, self.object, self.style, self.background


@dataclass(frozen=True)
class Studio:
    """Makes batches of the drawings; `own` are the host's styles, `every` all that may be learnt from."""

    own: Drawings
    every: Drawings

    @cached_property
    def boxes(self) -> Tensor:
        """The squares around the drawings of `every`."""
        return warp.boxes(self.every.rgba[:, 3])

    @cached_property
    def odds(self) -> Tensor:
        """How often each drawing of `every` is taken: objects alike often."""
        return 1 / torch.bincount(self.every.object)[self.every.object].float()

    def mild(self, n: int, g: torch.Generator) -> Batch:
        """The host's styles on its backgrounds, moved as its training pictures are; nothing else."""
        rows = torch.randint(len(self.own.object), (n,), generator=g, device=g.device)
        return self.tiles(rows, g)

    def tiles(self, rows: Tensor, g: torch.Generator) -> Batch:
        """Such pictures of given drawings of the host's styles."""
        n = len(rows)
        figure = warp.placed(self.own.rgba[rows] / 255, warp.whole(n, str(g.device)), warp.mild(n, g))
        number, ground = plain(n, g)
        return Batch(over(figure, ground), self.own.object[rows], self.own.artist[rows], number)

    def strong(self, n: int, g: torch.Generator) -> Batch:
        """Every artist's drawings, moved, recoloured, outlined, worn; neither style nor background is told."""
        rows = self._even(n, g)
        figure = warp.placed(self.every.rgba[rows] / 255, self.boxes[rows], warp.strong(n, g))
        mask = figure[:, 3:]
        colour = recolour.recoloured((figure[:, :3] / mask.clamp_min(1e-3)).clamp(0, 1), g)
        colour, mask = recolour.outlined(colour, mask, g)
        picture = wear.worn(colour * mask + (1 - mask) * grounds(n, g), g)
        unknown = torch.full_like(rows, -100)
        return Batch(picture, self.every.object[rows], unknown, unknown)

    def _even(self, n: int, g: torch.Generator) -> Tensor:
        """Rows of `every`: objects alike often, whoever drew them."""
        return torch.multinomial(self.odds, n, replacement=True, generator=g)


def over(figure: Tensor, ground: Tensor) -> Tensor:
    """A premultiplied figure (n, 4, h, w) on a ground."""
    return figure[:, :3] + (1 - figure[:, 3:]) * ground


def plain(n: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """One of the five backgrounds: its number (n,) and its colour (n, 3, 1, 1)."""
    channels = tuple(value for colour in world.BACKGROUNDS.values() for value in colour)
    colours = warp.constant(channels, g.device).view(-1, 3) / 255
    number = torch.randint(len(colours), (n,), generator=g, device=g.device)
    return number, colours[number][:, :, None, None]


def grounds(n: int, g: torch.Generator) -> Tensor:
    """Backgrounds (n, 3, 64, 64): a third each of the five, of any colour, and of clouds."""
    shape = (n, 3, world.SIZE, world.SIZE)
    any_colour = torch.rand(n, 3, 1, 1, generator=g, device=g.device)
    kinds = torch.stack([plain(n, g)[1].expand(shape), any_colour.expand(shape), wear.clouds(n, g, world.SIZE)])
    return kinds[torch.randint(3, (n,), generator=g, device=g.device), torch.arange(n, device=g.device)]


def blank(n: int, picture: Tensor) -> Batch:
    """A batch of `nothing`: neither object nor style, no background told."""
    label = torch.zeros(n, dtype=torch.long, device=picture.device)
    return Batch(picture, label + len(world.OBJECTS), label + len(world.STYLES), label - 100)
