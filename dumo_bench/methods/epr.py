"""The network of DuMo (arXiv 2501.01125): EPR beside a frozen U-Net, and how its outputs join it.

Shapes, names and order of the 12 + 1 outputs follow the published code.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.hosts.kv_cache import cached
from dumo_bench.hosts.sd import guided
from dumo_bench.methods.tlmo import Scale, bins
from dumo_bench.types import Conditions, Denoiser


class EPR(nn.Module):
    """Eraser with PRior knowledge: the U-Net's encoder half and middle, each output through a 1x1 convolution at zero.

    Modules are named as in the published checkpoints.
    """

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.conv_in = copy.deepcopy(unet.conv_in)
        self.time_proj, self.time_embedding = copy.deepcopy(unet.time_proj), copy.deepcopy(unet.time_embedding)
        self.down_blocks, self.mid_block = copy.deepcopy(unet.down_blocks), copy.deepcopy(unet.mid_block)
        *skips, middle = (zero_conv(c, unet) for c in widths(unet.config))
        self.dumo_down_blocks, self.dumo_mid_block = nn.ModuleList(skips), middle

    def forward(self, z: Tensor, t: Tensor, context: Tensor) -> list[Tensor]:
        """Corrections of the skips, in the U-Net's order, and of the middle: (B, C, H, W) each.

        z (B, c, h, w) as the U-Net takes it; t (B,); context (B, 77, d).
        """
        convs = [*self.dumo_down_blocks, self.dumo_mid_block]
        return [conv(f) for conv, f in zip(convs, features(self, z, t, context), strict=True)]


class Blend(EPR):
    """EPR without its 1x1 convolutions, for a scale a in 0..1 that mixes: s + a (f - s) = (1 - a) s + a f."""

    def __init__(self, unet: Any) -> None:
        super().__init__(unet)
        del self.dumo_down_blocks, self.dumo_mid_block
        self.frozen = (unet,)  # in a tuple it is no part of this module: neither trained, nor moved, nor saved

    def forward(self, z: Tensor, t: Tensor, context: Tensor) -> list[Tensor]:
        with torch.no_grad():
            own = features(self.frozen[0], z, t, context)
        return [f - s for f, s in zip(features(self, z, t, context), own, strict=True)]


def features(net: Any, z: Tensor, t: Tensor, context: Tensor) -> list[Tensor]:
    """What the encoder half of a U-Net, or of EPR, gives to its skips and from its middle: (B, C, H, W) each."""
    when = time_embedding(net, t, z.dtype)
    h = net.conv_in(z)
    found = [h]
    for block in net.down_blocks:
        text = {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}
        h, skips = block(h, when, **text)
        found += skips
    return [*found, net.mid_block(h, when, encoder_hidden_states=context)]


def time_embedding(net: Any, t: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, e) of timesteps (B,)."""
    out: Tensor = net.time_embedding(net.time_proj(t).to(dtype))
    return out


def zero_conv(channels: int, like: Any) -> nn.Conv2d:
    conv = nn.Conv2d(channels, channels, 1, device=like.device, dtype=like.dtype)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv


def widths(config: Any) -> list[int]:
    """Channels of the skips in order, and of the middle: 12 + 1 on SD 1.x."""
    out = [config.block_out_channels[0]]
    for level, width in enumerate(config.block_out_channels):
        last = level + 1 == len(config.block_out_channels)
        out += [width] * (config.layers_per_block + (not last))
    return [*out, out[-1]]


def corrected(unet: Any, z: Tensor, t: Tensor, context: Tensor, residuals: Sequence[Tensor]) -> Tensor:
    """The frozen U-Net's estimate with the residuals added after its encoder and its middle."""
    *skips, middle = residuals
    out: Tensor = unet(
        z,
        t,
        encoder_hidden_states=context,
        down_block_additional_residuals=tuple(skips),
        mid_block_additional_residual=middle,
    ).sample
    return out


def scaled(epr: EPR, scale: Scale, z: Tensor, t: Tensor, context: Tensor, gate: Tensor | float = 1.0) -> list[Tensor]:
    """m(p) * a[g(t), l] * Z_l(f_l): a table (20, 13) or the map in its place, gate (B,) or a number."""
    t = t.expand(len(z))
    a = scale[bins(t)] if isinstance(scale, Tensor) else scale(time_embedding(epr, t, z.dtype))
    a = a * torch.as_tensor(gate, device=z.device, dtype=a.dtype).reshape(-1, 1)
    return [a[:, i, None, None, None].to(r.dtype) * r for i, r in enumerate(epr(z, t, context))]


def denoiser(unet: Any, modules: Sequence[tuple[EPR, Scale]], gates: Sequence[Tensor], given: Conditions) -> Denoiser:
    """The guided estimate with the corrections of all concepts summed; modules are (EPR, its scale), gates (B,) each.

    A gate holds for both halves of the guidance.
    """
    context = torch.cat([given.uncond, given.cond])
    weights = [torch.cat([m, m]) for m in gates]

    def denoise(z: Tensor, t: Tensor) -> Tensor:
        zz = torch.cat([z, z])
        every = [scaled(epr, scale, zz, t, context, m) for (epr, scale), m in zip(modules, weights, strict=True)]
        total = [torch.stack(layer).sum(0) for layer in zip(*every, strict=True)]
        return guided(corrected(unet, zz, t, context, total), given.guidance)

    return cached(denoise, *(epr for epr, _ in modules))
