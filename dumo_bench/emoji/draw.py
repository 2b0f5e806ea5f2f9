"""The real pictures: an object in a style on a background, moved a little, with its true mask."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.emoji import svg, world

ICON = 128  # pixels at which an icon is rasterised before it is moved and reduced


def icons(folder: Path) -> Tensor:
    """All icons as (object, style, 4, 128, 128) uint8 RGBA, kept in `folder` once made."""
    import numpy as np

    cache = folder / "icons.pt"
    if cache.exists():
        found: Tensor = torch.load(cache, weights_only=True)
        return found
    packs = [svg.read(svg.fetch(svg.PACKS[pack], folder / "npm")) for pack in world.STYLES.values()]
    rows = []
    for word in world.OBJECTS:
        for pack in packs:
            picture = svg.rasterise(svg.markup(pack, world.ICONS[word]), ICON)
            rows.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    out = torch.stack(rows).view(len(world.OBJECTS), len(packs), 4, ICON, ICON)
    torch.save(out, cache)
    return out


def place(rgba: Tensor, background: Tensor, scale: Tensor, shift: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor]:
    """Icons on plain backgrounds.

    rgba (n, 4, h, w) in 0..1; background (n, 3); scale (n,) as a share of the tile; shift (n, 2) in half tiles;
    mirror (n,) bool. Returns pictures (n, 3, 64, 64) and masks (n, 1, 64, 64), both in 0..1.
    """
    n = rgba.shape[0]
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = torch.where(mirror, -1.0, 1.0) / scale
    theta[:, 1, 1] = 1.0 / scale
    theta[:, 0, 2] = -shift[:, 0] / scale
    theta[:, 1, 2] = -shift[:, 1] / scale
    colour = rgba[:, :3] * rgba[:, 3:]  # premultiplied, so that edges do not pick up the colour under alpha 0
    grid = F.affine_grid(theta, [n, 4, 2 * world.SIZE, 2 * world.SIZE], align_corners=False)
    moved = F.grid_sample(torch.cat([colour, rgba[:, 3:]], 1), grid, align_corners=False)
    moved = F.avg_pool2d(moved, 2)
    mask = moved[:, 3:]
    return moved[:, :3] + (1 - mask) * background[:, :, None, None], mask


def pictures(folder: Path, copies: int, seed: int) -> dict[str, Tensor]:
    """`copies` augmented pictures of every object in every style.

    Returns picture (n, 3, 64, 64) uint8 and object, style, background (n,) long; n = objects x styles x copies.
    """
    every = icons(folder)
    objects, styles = every.shape[:2]
    g = torch.Generator().manual_seed(seed)
    colours = torch.tensor(list(world.BACKGROUNDS.values())).float() / 255
    out: dict[str, list[Tensor]] = {"picture": [], "object": [], "style": [], "background": []}
    for o in range(objects):
        n = styles * copies
        style = torch.arange(styles).repeat_interleave(copies)
        background = torch.randint(len(colours), (n,), generator=g)
        scale = 0.80 + 0.16 * torch.rand(n, generator=g)
        shift = (torch.rand(n, 2, generator=g) * 2 - 1) * 0.08
        mirror = torch.rand(n, generator=g) < 0.5
        picture, _ = place(every[o, style].float() / 255, colours[background], scale, shift, mirror)
        out["picture"].append((picture * 255).round().clamp(0, 255).byte())
        out["object"].append(torch.full((n,), o))
        out["style"].append(style)
        out["background"].append(background)
    return {k: torch.cat(v) for k, v in out.items()}
