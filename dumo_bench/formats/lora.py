"""Plain LoRA, W + alpha / rank * up @ down: Hu et al., arXiv 2106.09685. Keys of diffusers, kohya and peft.

Kohya's names are translated by diffusers. An SPM (arXiv 2312.16145) has the same keys and a gate that is in none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import locate

NOTE = "lora_adapter_metadata"  # where diffusers and peft note alphas in a file
PARTS = {"unet": "unet", "text_encoder": "text", "text": "text"}  # what files call the parts of a model, and we
KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
_SIDE = re.compile(r"^(.*)\.(lora_A|lora_B|alpha)(?:\.default)?(?:\.weight)?$")


def is_lora(held: Mapping[str, Any]) -> bool:
    return any(".lora" in name or "_lora." in name for name in held)


def merged(
    held: Mapping[str, Tensor], notes: Mapping[str, str], own: Mapping[str, Tensor], config: Any
) -> dict[str, Tensor]:
    """Every changed tensor, with the model's own `unet.*` and `text.*` in it, float32 or wider.

    A layer that the model lacks, or has in another shape, stands there as its bare change, for the report to name.
    """
    out: dict[str, Tensor] = {}
    for layer, sides in layers(held, notes, config).items():
        name, change = f"{_known(layer, own)}.weight", delta(layer, sides)
        base = own.get(name)
        if base is not None and base.dim() > change.dim():  # a linear layer written for a 1x1 convolution
            change = change.reshape(*change.shape, *[1] * (base.dim() - change.dim()))
        elif base is not None and change.shape[2:] == (1, 1) and base.dim() == 2:
            change = change.flatten(1)
        fits = base is not None and base.shape == change.shape
        out[name] = base.to(change.dtype) + change.to(base.device) if fits and base is not None else change
    return out


def delta(layer: str, sides: Mapping[str, Tensor]) -> Tensor:
    """alpha / rank * up @ down; convolutions: down (r, in, k, k), up (out, r, 1, 1)."""
    missing = {"lora_A", "lora_B"} - sides.keys()
    if missing:
        raise UserError(f"LoRA: {layer} has no {' and no '.join(sorted(missing))}: the file is not whole")
    wide = torch.promote_types(sides["lora_A"].dtype, torch.float32)
    down, up = sides["lora_A"].to(wide), sides["lora_B"].to(wide)
    if min(down.dim(), up.dim()) < 2 or not 0 < len(down) == up.flatten(1).shape[1]:
        raise UserError(f"LoRA: {layer}: down {tuple(down.shape)} and up {tuple(up.shape)} are no pair of one rank")
    scale = float(sides["alpha"]) / len(down) if "alpha" in sides else 1.0
    return scale * (up.flatten(1) @ down.flatten(1)).reshape(len(up), *down.shape[1:])


def layers(held: Mapping[str, Tensor], notes: Mapping[str, str], config: Any) -> dict[str, dict[str, Tensor]]:
    """{"unet.<module>" or "text.<module>": {"lora_A": down, "lora_B": up, "alpha": number}}."""
    for name, tensor in held.items():
        if ".alpha" in name and tensor.numel() != 1:
            raise UserError(f"LoRA: {name} is of shape {tuple(tensor.shape)}: wanted one number")
    out: dict[str, dict[str, Tensor]] = {}
    for name, tensor in _peft(_from_kohya(held, config)).items():
        found = _SIDE.match(name)
        if found is None:
            raise UserError(f"LoRA: {name} is neither down, up nor alpha: plain LoRA alone can be imported")
        out.setdefault(found[1], {})[found[2]] = tensor
    noted = _alphas(notes, out)
    return {layer: {**noted.get(layer, {}), **sides} for layer, sides in out.items()}


def _from_kohya(held: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """diffusers' names of kohya's keys, alphas among them; other keys as they are."""
    from diffusers.loaders import StableDiffusionLoraLoaderMixin

    if not all(name.startswith(KOHYA) for name in held):
        return dict(held)
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


def _peft(held: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every style in peft's names, `lora_A` for down and `lora_B` for up, with the part of the model before them."""
    out: dict[str, Tensor] = {}
    for name, tensor in held.items():
        whole = name.removeprefix("base_model.model.")
        first, _, rest = whole.partition(".")
        out[f"{PARTS[first]}.{_key(rest, PARTS[first])}" if first in PARTS else f"unet.{_key(whole, 'unet')}"] = tensor
    return out


def _key(name: str, part: str) -> str:
    """One key in peft's style. The alpha of an attention layer is named after its down matrix, or after its `_lora`."""
    from diffusers.utils import state_dict_utils as maps

    text = {**maps.DIFFUSERS_TO_PEFT, **maps.DIFFUSERS_OLD_TO_PEFT}
    stem = name.removesuffix(".alpha")
    whole = f"{stem}.down.weight" if stem.endswith("_lora") else stem
    (made,) = maps.convert_state_dict({whole: None}, maps.UNET_TO_DIFFUSERS if part == "unet" else text)
    return str(made) if stem == name else f"{str(made).removesuffix('.lora_A.weight')}.alpha"


def _alphas(notes: Mapping[str, str], layers: Iterable[str]) -> dict[str, dict[str, Tensor]]:
    """The alphas that diffusers and peft write into a file's notes, by layer; none where they equal the rank."""
    said = locate.json_object(f"LoRA: {NOTE}", notes.get(NOTE, "{}"))
    out = {}
    for layer in layers:
        part, _, module = layer.partition(".")
        start = "text_encoder." if part == "text" else "unet."
        if said.get(f"{start}use_rslora"):
            raise UserError(
                "LoRA: its alphas are meant for the root of the rank (rslora): plain LoRA alone is imported"
            )
        alpha = _noted(said.get(f"{start}alpha_pattern") or {}, module, said.get(f"{start}lora_alpha"))
        if alpha is not None:
            out[layer] = {"alpha": torch.tensor(alpha)}
    return out


def _noted(pattern: Any, module: str, usual: Any) -> float | None:
    """A module's alpha by a pattern {end of its name: alpha}, else the usual one."""
    if not isinstance(pattern, Mapping):
        raise UserError(f"LoRA: {NOTE}: alpha_pattern is {pattern!r}: wanted an object of numbers")
    own = [alpha for name, alpha in pattern.items() if module == name or module.endswith(f".{name}")]
    alpha = own[0] if own else usual
    if alpha is None:
        return None
    try:
        return float(alpha)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"LoRA: {NOTE}: the alpha of {module} is {str(alpha)[:40]!r}: wanted a number") from error


def _known(layer: str, own: Mapping[str, Tensor]) -> str:
    """A layer as the model names it: newer text encoders have no `text_model` around their layers."""
    short = layer.replace("text.text_model.", "text.", 1)
    return short if f"{short}.weight" in own else layer
