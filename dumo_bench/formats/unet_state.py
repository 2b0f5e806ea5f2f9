"""A network's weights in diffusers' keys: whole (ESD, UCE, RECE as .pt), nested (ESD, CA), or what was trained.

ESD (arXiv 2303.07345), UCE (2308.14761), RECE (2407.12383) and EAP (2410.15618) publish all tensors of the U-Net; newer
ESD and UCE those of one selection, whose sizes on SD 1.x are 32, 80, 388 and 468 of 686; SPEED (2503.07392) 16, values.
On SDXL these are cross-attention or what ESD-u trains there; on FLUX the two matrices that read a text (UCE), weights
alone. ESD's files for FLUX and SD3 were not to be had: taken are its selections there, in the layout of its others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from dumo_bench.hosts import kinds
from dumo_bench.hosts.sd import Host, key_value_names, reads
from dumo_bench.kit import parameters

WHOLE = "the whole U-Net"
ALL = "the whole network"  # of other kinds
#: of other kinds, the selections that papers name, the smallest first
NAMED: Mapping[str, str] = {
    "kv": "cross-attention keys and values",
    "attn2": "cross-attention",
    "noxattn-blocks": "linear layers and convolutions of blocks outside cross-attention",
    "attn-kv": "attention keys and values",
    "attn": "linear layers of attention",
}
#: EraseAnything's LoRA (arXiv 2412.20413) has these of every double block
ERASED = (".attn.add_q_proj.weight", ".attn.add_k_proj.weight")
COUNT = "tensors"  # the note of a partial file that says how many tensors belong to it


def selections(host: Host) -> dict[str, list[str]]:
    """What published files hold, the smallest first: names of the network's tensors."""
    return of_sd(host.unet) if host.kind == kinds.SD else _of_others(host)


def _of_others(host: Host) -> dict[str, list[str]]:
    known = host.code.SELECTIONS
    text = [name for by in reads(host) for name in by.names] if host.kind == kinds.FLUX else []
    found = {title: known[name](host.unet) for name, title in NAMED.items() if name in known}
    whole = [name for name, _ in host.unet.named_parameters()]
    return {**({"what reads the text": text} if text else {}), **found, ALL: whole}


def of_sd(unet: nn.Module) -> dict[str, list[str]]:
    """Those of Stable Diffusion 1.x and 2.x."""
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


def wanted(host: Host, found: Mapping[str, Any], notes: Mapping[str, str]) -> tuple[str, list[str]]:
    """Which selection a file means to hold, with its tensors' names: the smallest that has all that is known of it.

    A file whose notes count its tensors is a selection of its own.
    """
    every = selections(host)
    mine = set(found) & {name for name, _ in host.unet.named_parameters()}
    if notes.get(COUNT) == str(len(found)):
        return "a part of its own", sorted(mine)
    return next((title, names) for title, names in every.items() if mine <= set(names))


def adapted(host: Host, found: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What a LoRA is called that changes these tensors of an edit, and those that it has to: all of EraseAnything's."""
    names = [f"{host.kind.network}.{name}" for name, _ in host.unet.named_parameters() if name.endswith(ERASED)]
    if host.kind == kinds.FLUX and set(found) <= set(names):
        return "LoRA, text queries and keys of double blocks", names
    return "LoRA", []
