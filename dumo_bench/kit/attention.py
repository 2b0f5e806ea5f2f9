"""Where a U-Net looks while it reads a word: cross-attention maps, and masks made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def watched(unet: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The maps (n, heads, pixels, tokens) of every cross-attention in the latest pass, by its name.

    Computed beside the model's own attention, which stays as it is, whatever kernel it uses.
    """
    maps: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def look(attention: Any, args: Any, kwargs: Any) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            text = args[1] if len(args) > 1 else kwargs["encoder_hidden_states"]
            asked = attention.to_q(hidden), attention.to_k(text)
            q, k = (x.view(len(x), -1, attention.heads, x.shape[-1] // attention.heads).transpose(1, 2) for x in asked)
            maps[name] = (attention.scale * q @ k.transpose(-1, -2)).softmax(-1)

        return look

    found = [(n, m) for n, m in unet.named_modules() if n.endswith(".attn2")]
    handles = [m.register_forward_pre_hook(hook(n), with_kwargs=True) for n, m in found]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def nearest(maps: Sequence[Tensor], side: int) -> list[Tensor]:
    """The maps whose square has this side, or else the side nearest to it."""
    off = [abs(m.shape[2] ** 0.5 - side) for m in maps]
    return [m for m, distance in zip(maps, off, strict=True) if distance == min(off)]


def mask(maps: Sequence[Tensor], words: Tensor, threshold: float) -> Tensor:
    """(n, 1, s, s) of 0 and 1: where the mean over maps, heads and words (n, tokens) bool, scaled to 0..1, is high.

    maps (n, heads, s * s, tokens). A row whose mean is the same everywhere says nothing of where: it is 1 everywhere.
    """
    seen = torch.stack([m.mean(1) for m in maps]).mean(0)
    of_words = (seen * words[:, None]).sum(-1) / words.sum(1, keepdim=True)
    low, high = of_words.amin(1, keepdim=True), of_words.amax(1, keepdim=True)
    flat = high <= low
    scaled = (of_words - low) / torch.where(flat, 1, high - low)
    side = round(of_words.shape[1] ** 0.5)
    return ((scaled >= threshold) | flat).to(of_words.dtype).view(-1, 1, side, side)
