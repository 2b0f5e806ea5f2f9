"""Pictures through the host's autoencoder: what a drawing looks like when it is generated, and what ruins look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dumo_bench.emoji import WEIGHTS, wear
from dumo_bench.emoji.augment import Studio

CHUNK = 512


def autoencoder(device: str) -> Any:
    """The host's autoencoder, frozen, in single precision."""
    from diffusers import AutoencoderKL

    return AutoencoderKL.from_pretrained(WEIGHTS / "vae").float().to(device).eval().requires_grad_(False)


@torch.no_grad()
def encode(vae: Any, pictures: Tensor) -> Tensor:
    """Posterior means (n, 4, 8, 8) of pictures (n, 3, 64, 64) uint8, unscaled."""
    parts = torch.split(pictures, CHUNK)
    return torch.cat([vae.encode(part.float() / 127.5 - 1).latent_dist.mean for part in parts])


@torch.no_grad()
def decode(vae: Any, latents: Tensor) -> Tensor:
    """Pictures (n, 3, 64, 64) uint8 of unscaled latents."""
    parts = [vae.decode(part).sample for part in torch.split(latents, CHUNK)]
    return torch.cat([as_bytes(part / 2 + 0.5) for part in parts])


def as_bytes(x: Tensor) -> Tensor:
    """Pictures in 0..1 as uint8."""
    return (x * 255).round().clamp(0, 255).byte()


@torch.no_grad()
def tiles(studio: Studio, copies: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """`copies` pictures of each of the host's drawings, uint8, and (n, 3) object, style, background."""
    rows = torch.arange(len(studio.own.object), device=g.device).repeat(copies)
    parts = [studio.tiles(part, g) for part in torch.split(rows, CHUNK)]
    shown = [torch.stack([b.object, b.style, b.background], 1) for b in parts]
    return torch.cat([as_bytes(b.picture) for b in parts]), torch.cat(shown)


def latents(vae: Any, studio: Studio, copies: int, device: str) -> tuple[Tensor, Tensor]:
    """Scaled latents (n, 4, 8, 8) of copies of the host's drawings, the same each time, and what they show (n, 3)."""
    pictures, shown = tiles(studio, copies, torch.Generator(device).manual_seed(11))
    return encode(vae, pictures) * vae.config.scaling_factor, shown


def echoes(vae: Any, latents: Tensor, g: torch.Generator) -> Tensor:
    """Round trips with a little noise on the latents: pictures as the host draws them when all goes well."""
    share = torch.rand(len(latents), 1, 1, 1, generator=g, device=g.device) * 0.25 * latents.std()
    return decode(vae, latents + share * torch.randn(latents.shape, generator=g, device=g.device))


def ruins(vae: Any, latents: Tensor, g: torch.Generator) -> Tensor:
    """As many pictures that show nothing nameable: latents averaged, smoothed, shuffled, drowned in noise."""
    n, here = len(latents), g.device
    order = torch.randperm(n, generator=g, device=here)
    ways: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (_averaged, _smooth, _shuffled, _drowned)
    parts = [way(part, g) for way, part in zip(ways, torch.tensor_split(latents[order], len(ways)), strict=True)]
    return decode(vae, torch.cat(parts))


def _averaged(z: Tensor, g: torch.Generator) -> Tensor:
    """The mean of four pictures' latents, with its contrast restored in part."""
    mean = sum((z.roll(i, 0) for i in range(1, 4)), z) / 4
    return mean * (1 + torch.rand(len(z), 1, 1, 1, generator=g, device=g.device))


def _smooth(z: Tensor, g: torch.Generator) -> Tensor:
    """Blobs with the colours of a picture."""
    del g
    return wear.blurred(z, 5) * 1.3


def _shuffled(z: Tensor, g: torch.Generator) -> Tensor:
    """The 64 places of each picture in another order."""
    order = torch.rand(len(z), 1, 64, generator=g, device=g.device).argsort(2)
    return z.flatten(2).gather(2, order.expand(-1, z.shape[1], -1)).view_as(z)


def _drowned(z: Tensor, g: torch.Generator) -> Tensor:
    """More noise than picture, and smoothed noise."""
    noise = torch.randn(z.shape, generator=g, device=g.device)
    soft = wear.blurred(noise, 3)
    noise = torch.where(torch.rand(len(z), 1, 1, 1, generator=g, device=g.device) < 0.5, noise, soft / soft.std())
    return 0.3 * z + z.std() * noise
