"""Where a drawing lies on its tile: scaled, turned, sheared, bent. Batched, on any device, drawn from a generator."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.emoji import world


def uniform(shape: tuple[int, ...], g: torch.Generator, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform numbers on the generator's device."""
    return low + (high - low) * torch.rand(shape, generator=g, device=g.device)


@cache
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A table of numbers on a device, put there once: a copy at every step would stop a GPU."""
    return torch.tensor(values, device=device)


def chosen(n: int, share: float, g: torch.Generator) -> Tensor:
    """(n,) bool: true with probability `share`."""
    return torch.rand(n, generator=g, device=g.device) < share


@dataclass(frozen=True, slots=True)
class Pose:
    """scale (n, 2) as a share of the tile, turn and shear (n,), shift (n, 2) in half tiles, mirror (n,) bool.

    bend (n, 2, 5, 5) displaces the tile, in half tiles; None leaves it plane.
    """

    scale: Tensor
    turn: Tensor
    shear: Tensor
    shift: Tensor
    mirror: Tensor
    bend: Tensor | None = None

    def inverse(self) -> Tensor:
        """(n, 2, 2): from the tile's coordinates to the drawing's, without the shift."""
        x, y = (1 / self.scale).unbind(1)
        x = torch.where(self.mirror, -x, x)
        cos, sin = self.turn.cos(), self.turn.sin()
        return torch.stack([x * (cos - self.shear * sin), x * (sin + self.shear * cos), -y * sin, y * cos], 1).view(
            -1, 2, 2
        )


def mild(n: int, g: torch.Generator) -> Pose:
    """As the host's training pictures: 0.80 to 0.96 of the tile, shifted a little, perhaps mirrored."""
    none = torch.zeros(n, device=g.device)
    scale = uniform((n, 1), g, 0.80, 0.96).expand(n, 2)
    return Pose(scale, none, none, uniform((n, 2), g, -0.08, 0.08), chosen(n, 0.5, g))


def strong(n: int, g: torch.Generator) -> Pose:
    """From under half of the tile to all of it, turned by 22 degrees at most, sheared, stretched and bent."""
    size = uniform((n, 1), g, 0.42, 1.0)
    scale = size * torch.exp(uniform((n, 2), g, -0.1, 0.1))
    shift = uniform((n, 2), g, -1, 1) * (1.04 - size).clamp_min(0.04) * 0.8
    bend = 0.03 * torch.randn(n, 2, 5, 5, generator=g, device=g.device) * chosen(n, 0.6, g)[:, None, None, None]
    return Pose(scale, uniform((n,), g, -0.38, 0.38), uniform((n,), g, -0.2, 0.2), shift, chosen(n, 0.5, g), bend)


def still(n: int, device: str, scale: float = 0.88) -> Pose:
    """The middle of the tile, upright: what held-out drawings are judged in."""
    none = torch.zeros(n, device=device)
    return Pose(torch.full((n, 2), scale, device=device), none, none, torch.zeros(n, 2, device=device), none.bool())


def boxes(alpha: Tensor) -> Tensor:
    """(n, 3): centre x, y and half side of the square around what alpha (n, h, w) covers, in -1..1."""
    near, far = zip(*(_span(alpha.amax(dim)) for dim in (1, 2)), strict=True)
    low, high = torch.stack(near, 1), torch.stack(far, 1)
    return torch.cat([(low + high) / 2, ((high - low) / 2).amax(1, keepdim=True)], 1)


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """First and last covered place of (n, w), in -1..1."""
    seen = (line > 0).float()
    w = line.shape[1]
    first, last = seen.argmax(1), w - 1 - seen.flip(1).argmax(1)
    return 2 * first / w - 1, 2 * (last + 1) / w - 1


def whole(n: int, device: str) -> Tensor:
    """The box (n, 3) that is the drawing's own square."""
    return torch.tensor([0.0, 0.0, 1.0], device=device).expand(n, 3)


def placed(rgba: Tensor, box: Tensor, pose: Pose) -> Tensor:
    """Figures (n, 4, 64, 64) in 0..1, colours premultiplied, of drawings (n, 4, h, w) in 0..1 within their boxes.

    Drawn at twice the size and averaged, as `draw.place` does.
    """
    n, side = len(rgba), 2 * world.SIZE
    turn = box[:, 2, None, None] * pose.inverse()
    theta = torch.cat([turn, box[:, :2, None] - turn @ pose.shift[:, :, None]], 2)
    grid = F.affine_grid(theta, [n, 4, side, side], align_corners=False)
    if pose.bend is not None:
        wide = F.interpolate(pose.bend, size=(side, side), mode="bicubic", align_corners=True)
        grid = grid + wide.permute(0, 2, 3, 1)
    figure = torch.cat([rgba[:, :3] * rgba[:, 3:], rgba[:, 3:]], 1)
    return F.avg_pool2d(F.grid_sample(figure, grid, align_corners=False), 2)
