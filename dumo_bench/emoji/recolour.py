"""Other colours and other lines for a figure, as another artist might choose them. Batched, drawn from a generator.

Pictures are (n, 3, h, w) in 0..1, masks (n, 1, h, w).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.emoji.warp import chosen, constant, uniform

SHADES = 4  # colours of a random palette
#: as drawn, other hue, channels permuted, grey, random palette, negative, few tones, nearly white
CHANCES = (0.24, 0.20, 0.08, 0.06, 0.16, 0.06, 0.08, 0.12)


def light(x: Tensor) -> Tensor:
    """Luminance (n, 1, h, w)."""
    return (x * constant((0.299, 0.587, 0.114), x.device)[:, None, None]).sum(1, keepdim=True)


def recoloured(x: Tensor, g: torch.Generator) -> Tensor:
    """One of the eight ways of CHANCES for each picture, then brightness and contrast."""
    n = len(x)
    grey = light(x)
    order = torch.rand(n, 3, generator=g, device=g.device).argsort(1)
    tones = torch.randint(2, 6, (n, 1, 1, 1), generator=g, device=g.device)
    ways = torch.stack(
        [
            x,
            hued(x, g),
            x.gather(1, order[:, :, None, None].expand_as(x)),
            grey.expand_as(x),
            painted(grey, g),
            1 - x,
            (x * tones).round() / tones,
            x.lerp(torch.ones_like(x), uniform((n, 1, 1, 1), g, 0.5, 0.97)),
        ]
    )
    way = torch.multinomial(constant(CHANCES, g.device), n, replacement=True, generator=g)
    x = ways[way, torch.arange(n, device=g.device)]
    contrast, lift = uniform((n, 1, 1, 1), g, 0.75, 1.2), uniform((n, 1, 1, 1), g, -0.12, 0.12)
    return ((x - 0.5) * contrast + 0.5 + lift).clamp(0, 1)


def hued(x: Tensor, g: torch.Generator) -> Tensor:
    """Hue turned by any angle, saturation times 0 to 1.6."""
    n = len(x)
    angle, colour = uniform((n,), g, -3.1416, 3.1416), uniform((n,), g, 0.0, 1.6)
    cos, sin = (colour * angle.cos())[:, None, None], (colour * angle.sin())[:, None, None]
    r, gr, b = x.unbind(1)
    y = light(x)[:, 0]
    i, q = 0.596 * r - 0.274 * gr - 0.322 * b, 0.211 * r - 0.523 * gr + 0.312 * b
    i, q = cos * i - sin * q, sin * i + cos * q
    out = torch.stack([y + 0.956 * i + 0.621 * q, y - 0.272 * i - 0.647 * q, y - 1.106 * i + 1.703 * q], 1)
    return out.clamp(0, 1)


def painted(grey: Tensor, g: torch.Generator) -> Tensor:
    """Random colours over the luminance (n, 1, h, w), four of them with straight lines between."""
    n, _, h, w = grey.shape
    palette = torch.rand(n, 3, SHADES, generator=g, device=g.device)
    place = grey.flatten(1) * (SHADES - 1)
    low = place.floor().clamp(0, SHADES - 2)
    index = low.long()[:, None].expand(n, 3, h * w)
    between = (place - low)[:, None]
    return palette.gather(2, index).lerp(palette.gather(2, index + 1), between).view(n, 3, h, w)


def spread(x: Tensor, width: int) -> Tensor:
    """The greatest value within a square of odd width."""
    return F.max_pool2d(x, width, 1, width // 2)


def edges(x: Tensor) -> Tensor:
    """(n, 1, h, w) in 0..1: where the luminance of neighbours differs."""
    grey = light(x)
    return ((spread(grey, 3) + spread(-grey, 3) - 0.08) / 0.25).clamp(0, 1)


def outlined(colour: Tensor, mask: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Dark lines around and within some figures; a few keep nothing but the lines, or the lines on white.

    colour is straight, not premultiplied. Returns colour and mask.
    """
    n = len(colour)
    around, within, bare, white = (chosen(n, p, g)[:, None, None, None] for p in (0.35, 0.30, 0.06, 0.10))
    around, within = around | bare | white, within | bare | white
    thick = torch.where(chosen(n, 0.5, g)[:, None, None, None], spread(mask, 3), spread(mask, 5))
    grown = torch.where(around, thick, mask)
    ring = (grown - mask).clamp(0, 1)
    line = torch.maximum(ring, torch.where(within, edges(colour) * mask, torch.zeros_like(mask)))
    ink = uniform((n, 3, 1, 1), g, 0.0, 0.2)
    fill = torch.where(white, torch.ones_like(colour), colour)
    return fill.lerp(ink.expand_as(fill), line), torch.where(bare, line, grown)
