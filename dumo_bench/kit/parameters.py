"""Which weights of a U-Net an eraser trains, and the student that trains them without touching the rest."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from dumo_bench.hosts.sd import key_value_names


def cross(unet: nn.Module) -> list[str]:
    """Everything inside the cross-attentions; 80 tensors on SD 1.x."""
    return [n for n, _ in unet.named_parameters() if "attn2" in n]


def other(unet: nn.Module) -> list[str]:
    """All but the cross-attentions, the embedding of time and the output layers; 598 tensors on SD 1.x."""
    out = ("time_embedding.", "conv_norm_out.", "conv_out.")
    return [n for n, _ in unet.named_parameters() if "attn2" not in n and not n.startswith(out)]


def other_linear(unet: nn.Module) -> list[str]:
    """Linear and convolution layers outside the cross-attentions, so no norms; 388 tensors on SD 1.x."""
    layers = [n for n, m in unet.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) and "attn2" not in n]
    own = dict(unet.named_parameters())
    return [f"{n}.{kind}" for n in layers for kind in ("weight", "bias") if f"{n}.{kind}" in own]


#: how papers call them -> names of the tensors in the U-Net
SELECTIONS: Mapping[str, Callable[[nn.Module], list[str]]] = {
    "attn2": cross,
    "kv": key_value_names,
    "noxattn": other,
    "noxattn-linear": other_linear,
}


def twin(unet: Any, names: Sequence[str]) -> Any:
    """A U-Net of which the named tensors are copies that learn; all others are the given one's own, not copied."""
    own = dict(unet.named_parameters())
    free = {id(own[name]) for name in names}
    shared = {id(t): t for t in (*own.values(), *unet.buffers()) if id(t) not in free}
    made = copy.deepcopy(unet, shared)
    learning = dict(made.named_parameters())
    for name in names:
        learning[name].requires_grad_(True)
    return made
