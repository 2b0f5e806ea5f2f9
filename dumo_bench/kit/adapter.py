"""Small networks beside the cross-attentions, added to what these say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import skip_init

from dumo_bench.errors import UserError
from dumo_bench.types import Edit


class Adapter(nn.Module):
    """E(h) = up(GELU(down(h))) of h (..., width); `up` begins at zero, so a new one adds nothing."""

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        self.down: nn.Linear = skip_init(nn.Linear, width, rank)  # type: ignore[no-untyped-call]
        self.up: nn.Linear = skip_init(nn.Linear, rank, width)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, h: Tensor) -> Tensor:
        out: Tensor = self.up(nn.functional.gelu(self.down(h)))
        return out


def places(unet: nn.Module) -> dict[str, Any]:
    """The cross-attentions under their block's name, `down_blocks.0.attentions.0` and so on; 16 on SD 1.x."""
    found = {n: m for n, m in unet.named_modules() if n.endswith(".attn2")}
    return {n.removesuffix(".attn2").removesuffix(".transformer_blocks.0"): m for n, m in found.items()}


def fresh(unet: nn.Module, rank: int, g: torch.Generator) -> dict[str, Adapter]:
    """An adapter for every cross-attention; `down` is drawn as torch draws linear layers, but from g."""
    made = {name: Adapter(place.to_out[0].out_features, rank) for name, place in places(unet).items()}
    like = next(unet.parameters())
    for adapter in made.values():
        bound = 1 / math.sqrt(adapter.down.in_features)
        nn.init.uniform_(adapter.down.weight, -bound, bound, generator=g)
        nn.init.uniform_(adapter.down.bias, -bound, bound, generator=g)
        adapter.to(like.device, like.dtype)
    return made


def parameters(adapters: Mapping[str, Adapter]) -> list[nn.Parameter]:
    return [p for adapter in adapters.values() for p in adapter.parameters()]


def state(adapters: Mapping[str, Adapter]) -> dict[str, Tensor]:
    """Tensors named `<block>.down.weight` and so on: 4 a block."""
    return {f"{name}.{k}": t.detach() for name, a in adapters.items() for k, t in a.state_dict().items()}


def loaded(unet: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Adapter]:
    """Adapters of these tensors; strict: a tensor too many, too few or of another shape is a UserError."""
    made: dict[str, Adapter] = {}
    like, left = next(unet.parameters()), dict(tensors)
    for name, place in places(unet).items():
        own = {k: left.pop(f"{name}.{k}", None) for k in ("down.weight", "down.bias", "up.weight", "up.bias")}
        width, found = place.to_out[0].out_features, own["down.bias"]
        made[name] = Adapter(width, 0 if found is None else len(found))
        shapes = {k: t.shape for k, t in made[name].state_dict().items()}
        if {k: None if t is None else t.shape for k, t in own.items()} != shapes:
            raise UserError(
                f"the adapter of {name} is missing or does not fit: this model's cross-attention has {width}"
            )
        made[name].load_state_dict(own, assign=True)  # in the precision it was stored in
        made[name].requires_grad_(False).to(like.device, like.dtype)
    if left:
        raise UserError(f"the edit has an adapter tensor {min(left)!r}, which this model has no place for")
    return made


def sets(unet: nn.Module, edit: Edit) -> list[dict[str, Adapter]]:
    """The adapters of an edit whose tensors are named `adapter.<i>.<block>.down.weight` and so on."""
    starts = [f"adapter.{i}." for i in range(edit.header["sets"])]
    own = [{k.removeprefix(s): t for k, t in edit.tensors.items() if k.startswith(s)} for s in starts]
    return [loaded(unet, tensors) for tensors in own]


def side_by_side(edits: Sequence[Edit]) -> dict[str, Tensor]:
    """The tensors of edits of one set each as one edit's of several."""
    return {f"adapter.{i}.{k.split('.', 2)[2]}": t for i, e in enumerate(edits) for k, t in e.tensors.items()}


@contextmanager
def attached(
    unet: nn.Module, sets: Sequence[Mapping[str, Adapter]], strength: float = 1.0
) -> Iterator[dict[str, Tensor]]:
    """Every cross-attention says h + strength * sum of E(h) over the sets, until the `with` is left.

    Yields what was added in the latest pass, (n, pixels, width) a block.
    """
    added: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def add(module: nn.Module, args: Any, h: Tensor) -> Tensor:
            added[name] = strength * torch.stack([adapters[name](h) for adapters in sets]).sum(0)
            return h + added[name]

        return add

    handles = [place.register_forward_hook(hook(name)) for name, place in places(unet).items()]
    try:
        yield added
    finally:
        for handle in handles:
            handle.remove()
