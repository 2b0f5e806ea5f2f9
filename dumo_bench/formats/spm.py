"""SPM's published file: a LoRA's tensors in kohya's keys, with prompts, rank and alpha in its notes.

Lyu et al., arXiv 2312.16145. The prompts are the words of its gate, with commas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError

START, PROMPTS = "lora_unet_", "prompts"
SIDES = {"lora_down.weight": "down.weight", "lora_up.weight": "up.weight"}


def is_spm(held: Mapping[str, Any], notes: Mapping[str, str]) -> bool:
    """Whether a file is of a membrane: without its notes it is a plain LoRA."""
    return PROMPTS in notes and bool(held) and all(name.startswith(START) for name in held)


def words(notes: Mapping[str, str]) -> list[str]:
    """The words of its gate."""
    found = [word.strip() for word in notes[PROMPTS].split(",") if word.strip()]
    if not found:
        raise UserError(f"SPM: its note has no {PROMPTS}, which its gate needs")
    return found


def membrane(held: Mapping[str, Tensor], notes: Mapping[str, str], layers: Sequence[str]) -> dict[str, Tensor]:
    """Tensors `<layer>.down.weight` and `<layer>.up.weight`, alpha / rank in the latter; unknown ones as they are."""
    known = {START + layer.replace(".", "_"): layer for layer in layers}
    out: dict[str, Tensor] = {}
    for name, tensor in held.items():
        layer, _, side = name.partition(".")
        if side == "alpha" and layer in known:
            continue
        full = f"{known[layer]}.{SIDES[side]}" if layer in known and side in SIDES else name
        out[full] = tensor * _scale(layer, held, notes) if side == "lora_up.weight" else tensor
    return out


def _scale(layer: str, held: Mapping[str, Tensor], notes: Mapping[str, str]) -> float:
    """alpha / rank of a layer; refused where notes and tensors differ."""
    alpha, down = held.get(f"{layer}.alpha"), held.get(f"{layer}.lora_down.weight")
    if alpha is None or alpha.numel() != 1 or down is None or not down.dim():
        raise UserError(f"SPM: {layer} lacks its alpha or lora_down: the file is not whole")
    found = {"rank": float(len(down)), "alpha": float(alpha)}
    for what, own in found.items():
        if what in notes and _number(what, notes[what]) != own:
            raise UserError(f"SPM: its notes say {what} {notes[what]}, {layer} has {own:g}")
    return found["alpha"] / max(1.0, found["rank"])


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"SPM: its notes say {what} {text!r}: wanted a number") from error


def published(pairs: Mapping[str, Tensor], concepts: Sequence[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and notes of a file, of tensors named as by `membrane`; alpha is the rank, so up stays as it is."""
    names = {ours: theirs for theirs, ours in SIDES.items()}
    held: dict[str, Tensor] = {}
    for name, tensor in pairs.items():
        layer, kind, weight = name.rsplit(".", 2)
        flat = START + layer.replace(".", "_")
        held[f"{flat}.{names[f'{kind}.{weight}']}"] = tensor.contiguous()
        if kind == "down":
            held[f"{flat}.alpha"] = torch.tensor(float(len(tensor)))
    rank = next(str(len(tensor)) for name, tensor in pairs.items() if name.endswith("down.weight"))
    return held, {"format": "pt", PROMPTS: ",".join(concepts), "rank": rank, "alpha": str(float(rank))}
