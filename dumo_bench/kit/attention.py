"""Where a network looks while it reads a word: attention maps, and masks made of them."""

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


@contextmanager
def watched_joint(net: nn.Module) -> Iterator[dict[str, Tensor]]:
    """The map (n, heads, rows, rows) of the last double block of FLUX in the latest pass, under "last".

    Text and picture look at both: rows are those of the text, then the patches. Computed as `watched`'s.
    """
    from diffusers.models.embeddings import apply_rotary_emb

    maps: dict[str, Tensor] = {}

    def look(attn: Any, args: Any, kwargs: Any) -> None:
        hidden, text = kwargs["hidden_states"], kwargs["encoder_hidden_states"]
        parts = (
            (attn.norm_added_q(_heads(attn, attn.add_q_proj(text))), attn.norm_q(_heads(attn, attn.to_q(hidden)))),
            (attn.norm_added_k(_heads(attn, attn.add_k_proj(text))), attn.norm_k(_heads(attn, attn.to_k(hidden)))),
        )
        turned = (apply_rotary_emb(torch.cat(part, 1), kwargs["image_rotary_emb"], sequence_dim=1) for part in parts)
        q, k = (x.transpose(1, 2) for x in turned)
        maps["last"] = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)

    blocks: Any = net.transformer_blocks
    handle = blocks[-1].attn.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield maps
    finally:
        handle.remove()


def _heads(attn: Any, x: Tensor) -> Tensor:
    """(n, rows, heads, width)."""
    return x.view(*x.shape[:-1], attn.heads, x.shape[-1] // attn.heads)


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
