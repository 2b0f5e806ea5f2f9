"""LoRA merged into the weights: W + scale * up @ down, Hu et al., arXiv 2106.09685; DoRA, Liu et al., arXiv 2402.09353.

DoRA's weight is m * (W + D) / |W + D|, the norm over all that goes into one output. A LoRA of an embedding adds
scale * (B A)^T. An SPM (arXiv 2312.16145) has a LoRA's keys and a gate that is in none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats.lora_keys import Part

PAIRS = (("lora_A", "lora_B"), ("lora_embedding_A", "lora_embedding_B"))


def merged(parts: Iterable[Part], own: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Every changed tensor, with the model's own in it, named as by `weights.own`, float32 or wider; the names wanted.

    A layer that the model lacks, or has in another shape, stands there as its bare change, for the report to name.
    """
    out: dict[str, Tensor] = {}
    wanted: list[str] = []
    for part in parts:
        out |= {known(part.name, name, own): tensor for name, tensor in part.whole.items()}
        base = {**own, **out}
        for layer, sides in part.layers.items():
            out |= _layer(part, layer, sides, base)
        wanted += _wanted(part, own)
    return out, wanted


def part_of(held: Iterable[str], own: Mapping[str, Any]) -> str:
    """Which part of the model has most of these layers; its network where none has any."""
    names = [name.partition(".lora_")[0].removeprefix("base_model.model.") for name in held]
    parts = list(dict.fromkeys(name.partition(".")[0] for name in own))
    counts = {part: sum(known(part, f"{name}.weight", own) in own for name in names) for part in parts}
    return max(parts, key=counts.__getitem__)


def known(part: str, name: str, own: Mapping[str, Any]) -> str:
    """A tensor as the model names it: newer text encoders have no `text_model` around their layers."""
    full = f"{part}.{name}"
    short = full.replace(f"{part}.text_model.", f"{part}.", 1)
    return short if short in own else full


def _layer(part: Part, layer: str, sides: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weight of one layer, and its bias where the LoRA has one."""
    name, scale = known(part.name, f"{layer}.weight", base), _scale(part, layer, sides)
    change = _as(base.get(name), delta(layer, sides, scale))
    weight = base.get(name)
    if weight is None or weight.shape != change.shape:
        return {name: change}
    made = {name: _directed(layer, weight.to(change) + change, sides, part)}
    more = sides.get("lora_B.bias")
    if part.told is not None and part.told.lora_bias != (more is not None):
        raise UserError(f"LoRA: lora_bias: {layer} has {'no' if more is None else 'a'} lora_B.bias")
    if more is not None:
        bias = known(part.name, f"{layer}.bias", base)
        if bias not in base or base[bias].shape != more.shape:
            raise UserError(f"LoRA: lora_bias: {layer} has no bias of shape {tuple(more.shape)} to add to")
        made[bias] = base[bias].to(change) + scale * more.to(change)
    return made


def delta(layer: str, sides: Mapping[str, Tensor], scale: float) -> Tensor:
    """scale * up @ down; convolutions: down (r, in, k, k), up (out, r, 1, 1); embeddings: A (r, n), B (d, r)."""
    first, second = next((pair for pair in PAIRS if pair[0] in sides or pair[1] in sides), PAIRS[0])
    missing = {first, second} - sides.keys()
    if missing:
        raise UserError(f"LoRA: {layer} has no {' and no '.join(sorted(missing))}: the file is not whole")
    wide = torch.promote_types(sides[first].dtype, torch.float32)
    down, up = sides[first].to(wide), sides[second].to(wide)
    if min(down.dim(), up.dim()) < 2 or not 0 < len(down) == up.flatten(1).shape[1]:
        raise UserError(f"LoRA: {layer}: down {tuple(down.shape)} and up {tuple(up.shape)} are no pair of one rank")
    made = scale * (up.flatten(1) @ down.flatten(1)).reshape(len(up), *down.shape[1:])
    return made.T if first == "lora_embedding_A" else made


def _scale(part: Part, layer: str, sides: Mapping[str, Tensor]) -> float:
    """By the configuration, by alpha / rank, or 1; a rank that is not the configuration's is refused."""
    first = next((sides[a] for a, _ in PAIRS if a in sides), None)
    rank = 0 if first is None or not first.dim() else len(first)
    if part.told is None:
        return float(sides["alpha"]) / rank if "alpha" in sides and rank else 1.0
    if first is not None and part.told.rank(layer) != rank:
        raise UserError(f"LoRA: r, rank_pattern: {layer} is of rank {rank}, told is {part.told.rank(layer)}")
    if not part.told.targets(layer):
        raise UserError(f"LoRA: target_modules: {layer} has a LoRA and is not among them")
    return part.told.scale(layer)


def _directed(layer: str, weight: Tensor, sides: Mapping[str, Tensor], part: Part) -> Tensor:
    """The weight with DoRA's norms (out,) for its own; as it is where there are none."""
    norms = sides.get("lora_magnitude_vector")
    if part.told is not None and part.told.use_dora != (norms is not None):
        raise UserError(f"LoRA: use_dora: {layer} has {'no' if norms is None else 'a'} lora_magnitude_vector")
    if norms is None:
        return weight
    embedding = "lora_embedding_A" in sides
    rows = weight.T if embedding else weight
    if norms.numel() != len(rows):
        raise UserError(f"LoRA: {layer}: lora_magnitude_vector {tuple(norms.shape)}, wanted {len(rows)} numbers")
    length = torch.linalg.vector_norm(rows.flatten(1), dim=1)
    made: Tensor = (norms.to(rows).flatten() / length).view(-1, *[1] * (rows.dim() - 1)) * rows
    return made.T if embedding else made


def _as(base: Tensor | None, change: Tensor) -> Tensor:
    """A change on the base's device and of its number of axes, between a linear layer and a 1x1 convolution."""
    if base is None:
        return change
    change = change.to(base.device)
    if base.dim() > change.dim():
        return change.reshape(*change.shape, *[1] * (base.dim() - change.dim()))
    return change.flatten(1) if change.shape[2:] == (1, 1) and base.dim() == 2 else change


def _wanted(part: Part, own: Mapping[str, Tensor]) -> list[str]:
    """The weights of the layers that the configuration names; those of the file where it names none."""
    told = part.told
    if told is None or told.target_modules is None:
        return []
    around = "text_model." if any(layer.startswith("text_model.") for layer in part.layers) else ""
    shorter = [name.removeprefix(f"{part.name}.") for name in own if name.startswith(f"{part.name}.")]
    layers = [name.removesuffix(".weight") for name in shorter if name.endswith(".weight")]
    return [f"{part.name}.{layer}.weight" for layer in layers if told.targets(around * (around not in layer) + layer)]
