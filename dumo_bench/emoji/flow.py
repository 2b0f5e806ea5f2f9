"""emoji-flow's network and its sampler: FLUX's transformer, small, on 2 x 2 patches of the host's latents.

Rectified flow: x_t = (1 - t) x_0 + t noise, and the network tells the velocity noise - x_0. Text comes by two routes,
as in FLUX: the states of sixteen tokens, and the pooled state.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

from dumo_bench.emoji.phrases import LENGTH

STEPS, GUIDANCE = 20, 3.0
PATCH, SIDE = 2, 8  # of the latents


def make() -> Any:
    """Untrained weights, drawn from a fixed seed: 4 double and 4 single blocks, 6 heads of 32, 7.8 M parameters."""
    from diffusers import FluxTransformer2DModel

    torch.manual_seed(0)
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=4 * PATCH**2,
        num_layers=4,
        num_single_layers=4,
        attention_head_dim=32,
        num_attention_heads=6,
        joint_attention_dim=128,
        pooled_projection_dim=128,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )


def packed(z: Tensor) -> Tensor:
    """Latents (n, 4, 8, 8) as (n, 16 patches, 16), in FLUX's order."""
    n, c, h, w = z.shape
    patches = z.reshape(n, c, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(n, h * w // PATCH**2, c * PATCH**2)


def unpacked(x: Tensor) -> Tensor:
    """The inverse of `packed`."""
    n, side, c = len(x), SIDE // PATCH, x.shape[2] // PATCH**2
    z = x.view(n, side, side, c, PATCH, PATCH).permute(0, 3, 1, 4, 2, 5)
    return z.reshape(n, c, SIDE, SIDE)


@cache
def places(device: torch.device) -> tuple[Tensor, Tensor]:
    """Positions of the patches (16, 3) and of the tokens (16, 3), as FluxPipeline makes them."""
    side = SIDE // PATCH
    down, right = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    image = torch.stack([torch.zeros(side, side), down, right], -1).reshape(-1, 3)
    return image.float().to(device), torch.zeros(LENGTH, 3, device=device)


def velocity(net: Any, x: Tensor, t: Tensor, states: Tensor, pooled: Tensor) -> Tensor:
    """noise - x_0 as the network sees it. x (n, 16, 16), t (n,) in 0..1, states (n, 16, 128), pooled (n, 128)."""
    image, text = places(x.device)
    found: Tensor = net(
        hidden_states=x,
        encoder_hidden_states=states,
        pooled_projections=pooled,
        timestep=t,
        img_ids=image,
        txt_ids=text,
        return_dict=False,
    )[0]
    return found


def levels(steps: int) -> Tensor:
    """1, ..., 1/steps, 0: the noise levels of an Euler loop without a shift."""
    return torch.cat([torch.linspace(1, 1 / steps, steps), torch.zeros(1)])


@torch.no_grad()
def sample(
    net: Any,
    noise: Tensor,
    cond: tuple[Tensor, Tensor],
    none: tuple[Tensor, Tensor],
    guidance: float = GUIDANCE,
    steps: int = STEPS,
) -> Tensor:
    """Euler's method with classifier-free guidance from packed noise (n, 16, 16).

    cond and none are states (n, 16, 128) and pooled (n, 128), with the prompt and with the empty one.
    """
    x, at = noise, levels(steps)
    both = [torch.cat(pair) for pair in zip(cond, none, strict=True)]
    for now, then in zip(at[:-1].tolist(), at[1:].tolist(), strict=True):
        t = torch.full((2 * len(x),), now, device=x.device)
        with_text, without = velocity(net, torch.cat([x, x]), t, both[0], both[1]).float().chunk(2)
        x = x + (then - now) * (without + guidance * (with_text - without))
    return x
