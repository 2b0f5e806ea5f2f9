"""Rows of a prompt's 77: where a concept's words stand, and vectors put after the last word."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.hosts.sd import Host


def spliced(context: Tensor, end: Tensor, vectors: Tensor) -> Tensor:
    """context (n, 77, d) with the vectors (v, d) in place of its rows from `end` (n,) on.

    They lie in the space of the text encoder's output. What would stand beyond the last row is left out.
    """
    at = torch.arange(context.shape[1], device=context.device) - end[:, None]
    inside = (at >= 0) & (at < len(vectors))
    put = vectors[at.clamp(0, len(vectors) - 1)].to(context.dtype)
    return torch.where(inside[..., None], put, context)


class Suffix:
    """n vectors after the last word that learn by Adam, with a weight decay in its gradient; float32 on any host.

    They begin uniform in 0..1 and are kept when a fit is stopped, with `curve`, which is for whoever trains them.
    """

    def __init__(self, host: Host, n: int, g: torch.Generator, lr: float, decay: float = 0.0) -> None:
        start = torch.rand(n, host.unet.config.cross_attention_dim, generator=g)
        self.vectors = nn.Parameter(start.to(host.device))
        self.adam = torch.optim.Adam([self.vectors], lr=lr, weight_decay=decay)
        self.curve: list[tuple[float, float]] = []

    def behind(self, context: Tensor, end: Tensor) -> Tensor:
        """context (n, 77, d) with the vectors from row `end` (n,) on."""
        return spliced(context, end, self.vectors)

    def descend(self, loss: Tensor, *, again: bool = False) -> float:
        """A step down a loss, which is given back; `again`: others ask for gradients of the same pass."""
        (self.vectors.grad,) = torch.autograd.grad(loss, [self.vectors], retain_graph=again)
        self.adam.step()
        return float(loss.detach())

    def state_dict(self) -> dict[str, Any]:
        return {"vectors": self.vectors.detach(), "adam": self.adam.state_dict(), "curve": self.curve}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        self.vectors.data.copy_(kept["vectors"])
        self.adam.load_state_dict(kept["adam"])
        self.curve[:] = kept["curve"]


def after(host: Host, ids: Tensor) -> Tensor:
    """The row (n,) after the last word of texts (n, 77): where the end token first stands."""
    first: Tensor = (ids == host.tokenizer.eos_token_id).int().argmax(1)
    return first


def words(host: Host, ids: Tensor, concept: Tensor) -> Tensor:
    """Where in texts (n, 77) the tokens of the concept (77,) stand, bool; in a text without them, all its words."""
    special = torch.tensor(host.tokenizer.all_special_ids, device=ids.device)
    text = ~torch.isin(ids, special)
    wanted = concept[~torch.isin(concept, special)]
    runs = (ids.unfold(1, len(wanted), 1) == wanted).all(-1)  # (n, starts)
    found = torch.zeros_like(text)
    for i in range(len(wanted)):
        found[:, i : i + runs.shape[1]] |= runs
    return torch.where(found.any(1, keepdim=True), found, text)
