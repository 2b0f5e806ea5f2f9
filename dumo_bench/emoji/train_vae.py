"""The autoencoder of emoji-sd: SD's own class, f = 8, four latent channels, narrow.

Two stages. The first trains all of it and fixes the latent space; the second keeps the encoder and sharpens the
decoder, so that the U-Net can already be trained in between.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from dumo_bench.emoji import draw
from dumo_bench.emoji.loop import Plan, train

COPIES, BATCH = 24, 16
FIRST = Plan("vae", steps=2500, lr=2e-3, decay=0.0)
SECOND = Plan("vae-decoder", steps=6500, lr=1e-3, decay=0.0, seed=1)


def make() -> AutoencoderKL:
    """Untrained weights, drawn from a fixed seed."""
    torch.manual_seed(0)
    widths = (16, 32, 64, 96)
    return AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
    )


def difference(made: Tensor, real: Tensor) -> Tensor:
    """L1 of the pictures plus L1 of their horizontal and vertical differences, which keeps edges sharp."""
    down = (made.diff(dim=2) - real.diff(dim=2)).abs().mean()
    right = (made.diff(dim=3) - real.diff(dim=3)).abs().mean()
    return (made - real).abs().mean() + down + right


def first(build: Path) -> AutoencoderKL:
    """Encoder and decoder, with a small pull of the latents towards a normal distribution."""
    data = draw.pictures(build, COPIES, seed=1)["picture"]

    def loss(vae: Any, g: torch.Generator) -> Tensor:
        real = data[torch.randint(len(data), (BATCH,), generator=g)].float() / 127.5 - 1
        posterior = vae.encode(real).latent_dist
        total: Tensor = difference(vae.decode(posterior.sample(g)).sample, real) + 1e-6 * posterior.kl().mean()
        return total

    return train(FIRST, make(), loss, build)


def second(build: Path) -> AutoencoderKL:
    """The decoder alone, on the means of the encoder."""
    data = draw.pictures(build, COPIES, seed=1)["picture"]
    vae = first(build)
    latents = encode(vae, data)
    vae.train().requires_grad_(False)
    vae.decoder.requires_grad_(True)
    vae.post_quant_conv.requires_grad_(True)

    def loss(vae: Any, g: torch.Generator) -> Tensor:
        rows = torch.randint(len(data), (BATCH,), generator=g)
        z = latents[rows] + 0.02 * torch.randn(BATCH, *latents.shape[1:], generator=g)
        return difference(vae.decode(z).sample, data[rows].float() / 127.5 - 1)

    return train(SECOND, vae, loss, build)


@torch.no_grad()
def encode(vae: AutoencoderKL, data: Tensor) -> Tensor:
    """Posterior means (n, 4, 8, 8) of pictures (n, 3, 64, 64) uint8, unscaled."""
    vae.eval()
    return torch.cat([vae.encode(part.float() / 127.5 - 1).latent_dist.mean for part in torch.split(data, 256)])


if __name__ == "__main__":
    import sys

    {"first": first, "second": second}[sys.argv[1]](Path(sys.argv[2]))
