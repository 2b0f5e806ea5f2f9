"""Receler's published folder: eraser_weights.pt, {block: {down and up, weight and bias}}, and eraser_config.json.

Huang et al., arXiv 2311.17717. One eraser a transformer block, named by its place, `down_blocks.0.attentions.0`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.formats import locate

WEIGHTS, CONFIG = locate.ERASERS


def is_receler(held: Mapping[str, Any]) -> bool:
    """Whether a file's dictionary is of erasers."""
    inner = next(iter(held.values()), None)
    return isinstance(inner, Mapping) and {"down.weight", "up.weight"} <= inner.keys()


def rank(found: Mapping[str, Tensor]) -> int:
    """The rank of the erasers, which is one."""
    ranks = sorted({len(t) for name, t in found.items() if name.endswith(".down.weight") and t.dim()})
    if len(ranks) != 1:
        raise UserError(f"Receler: wanted erasers of one rank, got ranks {ranks}")
    return ranks[0]


def summed(sets: Sequence[Mapping[str, Tensor]], strength: float) -> dict[str, dict[str, Tensor]]:
    """Sets of erasers {block.down.weight: tensor} as one set of the sum of their ranks, in the published nesting.

    It says exactly what they say together: GELU acts on each unit by itself.
    """
    blocks = dict.fromkeys(name.rsplit(".", 2)[0] for name in sets[0])
    return {
        block: {
            "down.weight": torch.cat([one[f"{block}.down.weight"] for one in sets]),
            "down.bias": torch.cat([one[f"{block}.down.bias"] for one in sets]),
            "up.weight": strength * torch.cat([one[f"{block}.up.weight"] for one in sets], dim=1),
            "up.bias": strength * torch.stack([one[f"{block}.up.bias"] for one in sets]).sum(0),
        }
        for block in blocks
    }


def config_text(found: int) -> str:
    """eraser_config.json of erasers of this rank."""
    return json.dumps({"eraser_type": "adapter", "eraser_rank": found}) + "\n"


def check_config(where: locate.Place, found: int) -> None:
    """Refuse an eraser_config.json that speaks of other erasers than the file holds."""
    path = where.file(CONFIG)
    if path is None:
        return
    said = locate.read_json(path)
    if said.get("eraser_type", "adapter") != "adapter" or said.get("eraser_rank", found) != found:
        raise UserError(f"{path}: says {said}, the weights are adapters of rank {found}")
