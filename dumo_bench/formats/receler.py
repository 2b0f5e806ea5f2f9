"""Receler's published folder: eraser_weights.pt, {block: {down and up, weight and bias}}, and eraser_config.json.

Huang et al., arXiv 2311.17717. One eraser a transformer block, named by its place, `down_blocks.0.attentions.0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dumo_bench.formats import place
from dumo_bench.types import UserError

WEIGHTS, CONFIG = place.ERASERS


def is_receler(held: Mapping[str, Any]) -> bool:
    """Whether a file's dictionary is of erasers."""
    inner = next(iter(held.values()), None)
    return isinstance(inner, Mapping) and {"down.weight", "up.weight"} <= inner.keys()


def rank(found: Mapping[str, Tensor]) -> int:
    """The rank of the erasers, which is one."""
    ranks = sorted({len(tensor) for name, tensor in found.items() if name.endswith(".down.weight")})
    if len(ranks) != 1:
        raise UserError(f"Receler: wanted erasers of one rank, got ranks {ranks}")
    return ranks[0]


def check_config(where: place.Place, found: int) -> None:
    """Refuse an eraser_config.json that speaks of other erasers than the file holds."""
    path = where.file(CONFIG)
    if path is None:
        return
    said = place.read_json(path)
    if said.get("eraser_type", "adapter") != "adapter" or said.get("eraser_rank", found) != found:
        raise UserError(f"{path}: says {said}, the weights are adapters of rank {found}")
