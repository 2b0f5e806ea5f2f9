"""The keys of LoRA files: peft's folders, diffusers' old and new style, and kohya's, which diffusers translates.

All become the parts of a model, each {layer: {"lora_A": down, "lora_B": up, ...}}, and the alphas that are told.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import locate
from dumo_bench.formats.lora_config import CONFIG, Rules, rules

NOTE = "lora_adapter_metadata"  # where diffusers writes a LoRA's configuration into a file
#: what files call the parts of a model, and we
PARTS = {
    "unet": "unet", "transformer": "transformer", "text_encoder": "text", "text": "text",
    "text_encoder_2": "text_2", "text_encoder_3": "text_3",
}  # fmt: skip
KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
PEFT = "base_model.model."
_SIDE = re.compile(
    r"^(.*)\.(lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector|alpha)"
    r"(?:\.default)?(?:\.(weight|bias))?$"
)


@dataclass(frozen=True, slots=True)
class Part:
    """The LoRA of one part of a model. `told`: its configuration; None where keys alone say everything.

    `layers` are {name: {"lora_A": ..., "lora_B": ..., "alpha": ...}}; `whole` are tensors that replace the model's.
    """

    name: str
    layers: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    whole: dict[str, Tensor] = field(default_factory=dict)
    told: Rules | None = None


def is_lora(held: Mapping[str, Any]) -> bool:
    return any(".lora" in name or "_lora." in name for name in held)


def file_parts(held: Mapping[str, Tensor], notes: Mapping[str, str], config: Any, network: str = "unet") -> list[Part]:
    """The parts of one file. Its notes and its alphas are two ways to say the same: diffusers refuses both at once.

    network: what layers are of that stand there without a part of the model before them; config: its configuration.
    """
    for name, tensor in held.items():
        if ".alpha" in name and tensor.numel() != 1:
            raise UserError(f"LoRA: {name} is of shape {tuple(tensor.shape)}: wanted one number")
        if name.startswith(PEFT):
            raise UserError(f"LoRA: peft's keys ({name}), whose scale stands in {CONFIG}: wanted it beside the file")
    parts: dict[str, Part] = {}
    said = locate.json_object(f"LoRA: {NOTE}", notes.get(NOTE, "{}"))
    for name, tensor in _peft(_from_kohya(held, config, network), network).items():
        part, _, rest = name.partition(".")
        if part not in parts:
            start = f"{part.replace('text', 'text_encoder')}."
            own = {key.removeprefix(start): value for key, value in said.items() if key.startswith(start)}
            parts[part] = Part(part, told=rules(NOTE, own) if own else None)
        layer, side = _split(rest)
        if side is None:
            raise UserError(f"LoRA: {name} is neither down, up nor alpha: plain LoRA alone can be imported")
        parts[part].layers.setdefault(layer, {})[side] = tensor
    for one in parts.values():
        _alphas_are_clear(one)
    return list(parts.values())


def folder_part(name: str, held: Mapping[str, Tensor], said: Mapping[str, Any]) -> Part:
    """The part of a model that peft's folder is of, by its adapter_config.json."""
    part = Part(name, told=rules(CONFIG, said))
    for full, tensor in held.items():
        key = full.removeprefix(PEFT)
        layer, side = _split(key)
        if ".original_module." in key:
            continue  # the model's own, beside what is saved in its place
        if side is None:
            part.whole[_kept(part.told, key)] = tensor
        else:
            part.layers.setdefault(layer, {})[side] = tensor
    return part


def _kept(told: Rules | None, key: str) -> str:
    """The name of a tensor that is no LoRA's, if the configuration says that such are kept."""
    name = key.replace(".base_layer.", ".").replace(".modules_to_save.", ".")
    layer, _, kind = name.rpartition(".")
    if told is not None and (told.saves(layer) or ".base_layer.weight" in key):
        return name
    if told is not None and kind == "bias" and told.bias != "none":
        return name
    raise UserError(f"LoRA: {key}: by {CONFIG} it is no part of the adapter (bias, modules_to_save)")


def _split(name: str) -> tuple[str, str | None]:
    """A layer and which of its tensors a key is of; None where it is of no LoRA. A bias of up is `lora_B.bias`."""
    found = _SIDE.match(name)
    if found is None:
        return name, None
    return found[1], f"{found[2]}.bias" if found[3] == "bias" else found[2]


def _alphas_are_clear(part: Part) -> None:
    """Refuse alphas beside notes, and alphas of some layers: of the others diffusers and kohya think differently."""
    with_alpha = [layer for layer, sides in part.layers.items() if "alpha" in sides]
    if with_alpha and part.told is not None:
        raise UserError(f"LoRA: alphas in the keys ({with_alpha[0]}) and in {NOTE}: wanted one of the two")
    if with_alpha and len(with_alpha) < len(part.layers):
        lacks = next(layer for layer in part.layers if layer not in with_alpha)
        raise UserError(f"LoRA: {with_alpha[0]} has an alpha and {lacks} has none: the file is not whole")


def _from_kohya(held: Mapping[str, Tensor], config: Any, network: str) -> dict[str, Tensor]:
    """diffusers' names of kohya's keys, alphas among them; other keys as they are."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    if not all(name.startswith(KOHYA) for name in held):
        return dict(held)
    if network != "unet":
        raise UserError(f"LoRA: kohya's keys ({next(iter(held))}) are read for U-Nets alone: wanted those of diffusers")
    odd = [name for name in held if not name.endswith((".lora_down.weight", ".lora_up.weight", ".alpha"))]
    if odd:
        raise UserError(f"LoRA: {odd[0]} is neither down, up nor alpha: plain LoRA alone can be imported")
    try:
        named, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(dict(held), unet_config=config)
    except (KeyError, ValueError) as error:
        raise UserError(f"LoRA: the file is not whole: {' '.join(str(error).split())}") from error
    wanted = sum(not name.endswith(".alpha") for name in held)
    if len(named) != wanted:  # of names like CompVis's beside its own, diffusers drops the former
        raise UserError(f"LoRA: diffusers names {len(named)} of {wanted} tensors: wanted the keys of one program")
    return {**named, **{name: torch.tensor(value) for name, value in (alphas or {}).items()}}


def _peft(held: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    """Every style in peft's names, `lora_A` for down and `lora_B` for up, with the part of the model before them."""
    out: dict[str, Tensor] = {}
    for name, tensor in _named(held, network):
        if name in out:
            raise UserError(f"LoRA: two tensors are called {name}: wanted the keys of one program")
        out[name] = tensor
    return out


def _named(held: Mapping[str, Tensor], network: str) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in held.items():
        first, _, rest = name.partition(".")
        part, key = (PARTS[first], rest) if first in PARTS else (network, name)
        yield f"{part}.{_key(key, part)}", tensor


def _key(name: str, part: str) -> str:
    """One key in peft's style. The alpha of an attention layer is named after its down matrix, or after its `_lora`."""
    from diffusers.utils import state_dict_utils as maps

    text = {**maps.DIFFUSERS_TO_PEFT, **maps.DIFFUSERS_OLD_TO_PEFT}
    stem = name.removesuffix(".alpha")
    whole = f"{stem}.down.weight" if stem.endswith("_lora") else stem
    (made,) = maps.convert_state_dict({whole: None}, text if part.startswith("text") else maps.UNET_TO_DIFFUSERS)
    return str(made) if stem == name else f"{str(made).removesuffix('.lora_A.weight')}.alpha"
