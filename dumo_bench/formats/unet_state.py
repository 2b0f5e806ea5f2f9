"""U-Net weights in diffusers' keys: whole (ESD, UCE, RECE as .pt), nested (ESD, CA), or the tensors that were trained.

ESD (arXiv 2303.07345), UCE (2308.14761), RECE (2407.12383) and EAP (2410.15618) publish all tensors of the U-Net; newer
ESD and UCE those of one selection, whose sizes on SD 1.x are 32, 80, 388 and 468 of 686; SPEED (2503.07392) 16, values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from dumo_bench.hosts.sd import key_value_names
from dumo_bench.kit import parameters

WHOLE = "the whole U-Net"
COUNT = "tensors"  # the note of a partial file that says how many tensors belong to it


def selections(unet: nn.Module) -> dict[str, list[str]]:
    """What published files hold, the smallest first: names of the U-Net's tensors."""
    kv = key_value_names(unet)
    layers = {*parameters.cross(unet), *parameters.other_linear(unet)}
    whole = [name for name, _ in unet.named_parameters()]
    return {
        "cross-attention values": [name for name in kv if name.endswith("to_v.weight")],
        "cross-attention keys": [name for name in kv if name.endswith("to_k.weight")],
        "cross-attention keys and values": kv,
        "cross-attention": parameters.cross(unet),
        "linear layers and convolutions outside cross-attention": parameters.other_linear(unet),
        "all linear layers and convolutions": [name for name in whole if name in layers],
        WHOLE: whole,
    }


def wanted(unet: nn.Module, found: Mapping[str, Any], notes: Mapping[str, str]) -> tuple[str, list[str]]:
    """Which selection a file means to hold, with its tensors' names: the smallest that has all that is known of it.

    A file whose notes count its tensors is a selection of its own.
    """
    every = selections(unet)
    mine = {name for name in found if name in set(every[WHOLE])}
    if notes.get(COUNT) == str(len(found)):
        return "a part of its own", sorted(mine)
    return next((title, names) for title, names in every.items() if mine <= set(names))
