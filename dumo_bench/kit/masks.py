"""Where a picture shows its concept: masks (n, 1, s, s) in 0..1, for erasers that act there alone."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from dumo_bench.hosts.sd import Host, decode
from dumo_bench.kit import attention
from dumo_bench.kit.latents import estimate

Kind: TypeAlias = Literal["attention", "figure", "whole"]
CELLS, THRESHOLD = 4, 0.1  # maps of the latents' side over four; a tenth of the way to the most looked at
AWAY = 0.06  # of the range of a colour: further from the ground's colour than the VAE's noise, nearer than any outline


@torch.no_grad()
def attended(host: Host, z: Tensor, t: Tensor, context: Tensor, words: Tensor) -> Tensor:
    """Where the unedited model looks while it reads the words (n, 77) bool: as Receler's mask, of latents noised to t.

    z (n, c, h, w); t (n,); context (n, 77, d).
    """
    with attention.watched(host.unet) as maps:
        estimate(host.unet, z, t, context)
    return attention.mask(attention.nearest(list(maps.values()), z.shape[-1] // CELLS), words, THRESHOLD)


def figure(pictures: Tensor) -> Tensor:
    """What stands on a plain ground, and what it encloses: pictures (n, h, w, 3) uint8 to masks (n, 1, h, w).

    The ground's colour is the median of the border's.
    """
    from scipy.ndimage import binary_fill_holes

    x = pictures.float() / 255
    border = torch.cat([x[:, :2].flatten(1, 2), x[:, -2:].flatten(1, 2), x[:, :, :2].flatten(1, 2)], dim=1)
    ground = border.median(dim=1).values[:, None, None]
    off = (x - ground).abs().amax(-1) > AWAY
    return torch.stack([torch.from_numpy(binary_fill_holes(one.numpy())) for one in off])[:, None].float()


def figures(host: Host, z: Tensor) -> Tensor:
    """The same of clean latents z (n, c, h, w)."""
    return figure(decode(host, z)[0]).to(z)


def whole(z: Tensor) -> Tensor:
    """All of every picture."""
    return torch.ones_like(z[:, :1])
