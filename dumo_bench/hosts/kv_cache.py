"""Keys and values of the text, computed at the first step of a run and kept for the others: they do not change.

A cross-attention's `to_k` and `to_v` are given the same context at every step. On a CPU they are a sixth of emoji-sd's
step; of Stable Diffusion 1.x's they are 0.4 %, and on a GPU memory is dear: there nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from dumo_bench.types import Denoiser

_MOST = 4  # contexts that a layer keeps: a guide may ask for several in turn
LAYERS = ("attn2.to_k", "attn2.to_v")
#: by what a layer was given and holds: what it said, the version of that, and what no other may take the place of
Kept: TypeAlias = dict[Any, tuple[Tensor, int, Any]]


def cached(denoise: Denoiser, *networks: nn.Module) -> Denoiser:
    """The denoiser of one run, to the bit; what its networks make of an unchanged context is made once.

    Layers are another only while the denoiser is called. A layer that is not a plain one is left alone.
    """
    layers = [layer for net in networks for name, layer in net.named_modules() if name.endswith(LAYERS)]
    plain = [one for one in layers if type(one) is nn.Linear and one.weight.device.type == "cpu"]
    stores: list[Kept] = [{} for _ in plain]

    def step(z: Tensor, t: Tensor) -> Tensor:
        free = [(one, kept) for one, kept in zip(plain, stores, strict=True) if "forward" not in vars(one)]
        try:
            for layer, kept in free:
                layer.forward = partial(_once, layer, layer.forward, kept)  # type: ignore[method-assign]
            return denoise(z, t)
        finally:
            for layer, _ in free:
                vars(layer).pop("forward", None)

    return step if plain else denoise


def _once(layer: nn.Linear, forward: Callable[[Tensor], Tensor], kept: Kept, x: Tensor) -> Tensor:
    """What the layer says of x, made anew where x, the layer's weights or what it said were written to meanwhile."""
    if torch.is_grad_enabled() or x.is_inference():  # what is learnt has a graph a step; an inference has no versions
        return forward(x)
    own = [p for p in (layer.weight, layer.bias) if p is not None]
    key = (x.shape, x.stride(), x.dtype, *(_state(one) for one in (x, *own)))
    if key in kept and kept[key][0]._version == kept[key][1]:
        return kept[key][0]
    if len(kept) >= _MOST:
        kept.clear()
    out = forward(x)
    kept[key] = out, out._version, (x, own)
    return out


def _state(one: Tensor) -> tuple[int, int, float]:
    """What tells that a tensor was written to; its sum too, since writing through `.data` raises no version."""
    return one.data_ptr(), one._version, one.sum().item()
