"""What happens to a picture after it is drawn: blur, few pixels, JPEG, patches, tint, noise; and tiles of nothing.

Pictures are (n, 3, 64, 64) in 0..1. Batched, on any device, drawn from a generator.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.emoji.warp import chosen, uniform

SIZES = (20, 26, 34, 46)  # pixels that some pictures are reduced to


def blurred(x: Tensor, width: int) -> Tensor:
    """A box blur of odd width, twice; rows and columns in turn."""
    half = width // 2
    for _ in range(2):
        x = F.avg_pool2d(F.pad(x, [0, 0, half, half], mode="replicate"), (width, 1), 1)
        x = F.avg_pool2d(F.pad(x, [half, half, 0, 0], mode="replicate"), (1, width), 1)
    return x


def tinted(x: Tensor, g: torch.Generator) -> Tensor:
    """Softened, tinted, with noise: as an autoencoder might return a picture."""
    n, here = len(x), g.device
    x = blurred(x, 3).lerp(x, uniform((n, 1, 1, 1), g))
    x = (x - 0.5) * uniform((n, 3, 1, 1), g, 0.85, 1.15) + 0.5
    x = x + 0.05 * torch.randn(n, 3, 1, 1, generator=g, device=here)
    return (x + uniform((n, 1, 1, 1), g, 0, 0.04) * torch.randn(x.shape, generator=g, device=here)).clamp(0, 1)


def worn(x: Tensor, g: torch.Generator) -> Tensor:
    """Some reduced to few pixels, some through JPEG, some with a patch; all tinted."""
    n = len(x)
    sizes = [F.interpolate(x, size=(s, s), mode="bilinear", antialias=True) for s in SIZES]
    small = torch.stack([x, *(F.interpolate(y, size=x.shape[2:], mode="bilinear") for y in sizes)])
    kind = torch.randint(len(small), (n,), generator=g, device=g.device) * chosen(n, 0.35, g)
    x = small[kind, torch.arange(n, device=g.device)]
    x = torch.where(chosen(n, 0.2, g)[:, None, None, None], jpeg(x, uniform((n,), g, 0.03, 0.25)), x)
    x = torch.where(chosen(n, 0.25, g)[:, None, None, None], patched(x, g), x)
    return tinted(x, g)


def _cosines(device: torch.device) -> Tensor:
    """The orthonormal DCT matrix, 8 x 8."""
    k = torch.arange(8, device=device, dtype=torch.float32)
    table = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) / 2
    table[0] /= math.sqrt(2)
    return table


def jpeg(x: Tensor, step: Tensor) -> Tensor:
    """Cosine coefficients of 8 x 8 blocks rounded to steps that grow with frequency; step (n,) is the finest."""
    n, c, h, w = x.shape
    dct = _cosines(x.device)
    blocks = x.view(n, c, h // 8, 8, w // 8, 8).transpose(3, 4)
    k = torch.arange(8, device=x.device)
    grid = step[:, None, None, None, None, None] * (1 + k[:, None] + k[None])
    kept = ((dct @ blocks @ dct.T) / grid).round() * grid
    return (dct.T @ kept @ dct).transpose(3, 4).reshape(n, c, h, w).clamp(0, 1)


def patched(x: Tensor, g: torch.Generator) -> Tensor:
    """A rectangle of one colour over each picture, 12 to 40 % of the side."""
    n, _, h, w = x.shape
    centre, half = uniform((n, 2), g), uniform((n, 2), g, 0.06, 0.20)
    down = (torch.arange(h, device=x.device) / h - centre[:, :1]).abs() < half[:, :1]
    right = (torch.arange(w, device=x.device) / w - centre[:, 1:]).abs() < half[:, 1:]
    inside = (down[:, :, None] & right[:, None])[:, None]
    return torch.where(inside, uniform((n, 3, 1, 1), g), x)


def clouds(n: int, g: torch.Generator, size: int = 64) -> Tensor:
    """Smooth patches of colour."""
    coarse = torch.rand(n, 3, 4, 4, generator=g, device=g.device)
    return F.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)


def empty(x: Tensor, g: torch.Generator) -> Tensor:
    """Tiles that show nothing, made from pictures: plain, cloudy, smeared, shuffled, washed out or pure noise."""
    n, here = len(x), g.device
    plain = torch.rand(n, 3, 1, 1, generator=g, device=here).expand_as(x)
    cloud, far = clouds(n, g), blurred(x, 25)
    order = torch.randperm(64, generator=g, device=here)
    shuffled = F.fold(F.unfold(x, 8, stride=8)[:, :, order], 64, 8, stride=8)
    noise = torch.randn(x.shape, generator=g, device=here) * 0.5 + 0.5
    mixed = blurred((x + x.roll(1, 0) + x.roll(2, 0)) / 3, 5)
    kinds = torch.stack([plain, plain + 0.3 * (cloud - 0.5), cloud, far, blurred(x, 17), shuffled, noise, mixed])
    kind = torch.randint(len(kinds), (n,), generator=g, device=here)
    return kinds[kind, torch.arange(n, device=here)].clamp(0, 1)
