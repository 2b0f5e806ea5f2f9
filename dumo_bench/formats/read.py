"""Weights files as they are: safetensors, and pickles by torch's reader of tensors alone, which runs no code."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dumo_bench.types import UserError

WRAPPERS = ("state_dict",)  # a dictionary under one of these keys is the weights


def load(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What a file holds, and its notes (of safetensors only). Values are tensors or dictionaries of tensors."""
    return _safetensors(path) if path.suffix == ".safetensors" else (_pickle(path), {})


def flat(path: Path, held: Mapping[str, Any]) -> dict[str, Tensor]:
    """{"a": {"b": tensor}} as {"a.b": tensor}; anything that is no tensor is refused."""
    out: dict[str, Tensor] = {}
    for name, value in held.items():
        if isinstance(value, Mapping):
            out |= {f"{name}.{inner}": tensor for inner, tensor in flat(path, value).items()}
        elif isinstance(value, Tensor):
            out[name] = value.detach()
        else:
            raise UserError(f"{path}: {name!r} is {type(value).__name__}: wanted tensors, or dictionaries of tensors")
    return out


def _safetensors(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise UserError(f"{path}: no whole safetensors file: {error}") from error


def _pickle(path: Path) -> dict[str, Any]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of old pickle protocols
            held = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # what is no pickle of tensors fails torch's reader in many ways
        raise UserError(f"{path}: {_reason(error)}: wanted a file of tensors alone, best a .safetensors") from error
    for key in WRAPPERS:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            held = held[key]
    if not isinstance(held, Mapping) or not held:
        raise UserError(f"{path}: holds {type(held).__name__}: wanted a dictionary of tensors")
    return {str(name): value for name, value in held.items()}


def _reason(error: Exception) -> str:
    """Which object a refused pickle asks for. torch's own message advises to run the code, and is not passed on."""
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    return f"refused, its pickle asks for {wanted[1]}" if wanted else "refused, it is no pickle of tensors"
