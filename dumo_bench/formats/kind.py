"""Which kind of model a file was made for, by the names of its tensors and the width of the texts that they read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts.kinds import FLUX, KINDS, SD, SD3, SDXL, Kind
from dumo_bench.hosts.sd import Host

#: how the names of a network's tensors begin
_BEGINS: Mapping[str, str] = {
    "unet": r"(unet\.)?(down_blocks|mid_block|up_blocks|conv_in|conv_out|conv_norm_out|time_embedding|add_embedding)\.",
    "transformer": r"transformer\.|(single_)?transformer_blocks\.|(context_embedder|time_text_embed|x_embedder)\."
    r"|(pos_embed|norm_out|proj_out)\.",
}
#: what is in names of one kind alone: four levels; many blocks an attention; blocks of one stream; learnt positions
MARKS: Mapping[str, str] = {
    SD.name: r"(down|up)_blocks\.3\.",
    SDXL.name: r"add_embedding\.|\.attentions\.\d+\.transformer_blocks\.[1-9]",
    FLUX.name: r"single_transformer_blocks\.|\bx_embedder\.",
    SD3.name: r"\bpos_embed\.|^(transformer\.)?transformer_blocks\.\d+\.attn2\.",
}
_READS = re.compile(r"attn2\.to_[kv](_lora)?\.((lora[._])?(A|down)\.)?weight$")
_WIDTHS: Mapping[int, Kind] = {768: SD, 1024: SD, 2048: SDXL}
_CLASSES: Mapping[str, Kind] = {"FluxTransformer2DModel": FLUX, "SD3Transformer2DModel": SD3}


def told(held: Mapping[str, Any]) -> tuple[Kind, ...]:
    """The kinds that tensors of these names can be of; none where the names say nothing."""
    names = [name.removeprefix("base_model.model.") for name in held]
    begun = {network for network, begins in _BEGINS.items() if any(re.match(begins, name) for name in names)}
    fits = tuple(kind for kind in KINDS if kind.network in begun)
    marked = tuple(kind for kind in fits if any(re.search(MARKS[kind.name], name) for name in names))
    return marked or tuple(kind for kind in fits if kind in _wide(held)) or fits


def _wide(held: Mapping[str, Any]) -> set[Kind | None]:
    """The kinds that read texts as wide as cross-attentions do here."""
    return {_WIDTHS.get(t.shape[-1]) for n, t in held.items() if isinstance(t, Tensor) and t.dim() and _READS.search(n)}


def of_config(said: Mapping[str, Any]) -> Kind:
    """The kind of a network by its config.json."""
    usual = SDXL if said.get("addition_embed_type") == "text_time" else SD
    return _CLASSES.get(str(said.get("_class_name")), usual)


def check(host: Host, what: object, held: Mapping[str, Any]) -> None:
    """Refuse tensors of another kind of model than the host, unless its own network has the same marks."""
    found = told(held)
    if found and host.kind not in found and found != told(dict(host.unet.named_parameters())):
        refuse(host, what, found)


def only(host: Host, what: object, *kinds: Kind) -> None:
    """Refuse what is made for certain kinds on a host of any other."""
    if host.kind not in kinds:
        refuse(host, what, kinds)


def refuse(host: Host, what: object, kinds: Iterable[Kind]) -> None:
    """The line that names both."""
    titles = " or ".join(kind.title for kind in kinds)
    raise UserError(f"{what}: made for {titles}, {host.model} is {host.kind.title}")
