"""Weights files as they are: safetensors, and pickles by torch's reader of tensors alone, which runs no code."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError

WRAPPERS = ("state_dict",)  # a dictionary under one of these keys is the weights
FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
WHOLE = (torch.int32, torch.int64)


def load(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What a file holds, and its notes (of safetensors only). Values are tensors or dictionaries of tensors."""
    return _safetensors(path) if path.suffix == ".safetensors" else (_pickle(path), {})


def flat(path: Path, held: Mapping[str, Any]) -> dict[str, Tensor]:
    """{"a": {"b": tensor}} as {"a.b": tensor}; what is deeper, or no dense tensor of FLOATS, is refused."""
    return dense(path, dict(named(held)))


def dense(path: Path, held: Mapping[str, Any]) -> dict[str, Tensor]:
    """The same, if all values are dense tensors of FLOATS."""
    return {name: _numbers(path, name, value) for name, value in held.items()}


def named(held: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in held.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", own) for inner, own in value.items())
        else:
            yield name, value


def _numbers(path: Path, name: str, value: Any) -> Tensor:
    """The tensor, if it is one of real numbers that lie in memory; the alpha of a LoRA may be a whole number."""
    if not isinstance(value, Tensor):
        raise UserError(f"{path}: {name!r} is {type(value).__name__}: wanted tensors, or dictionaries of tensors")
    real = value.dtype in FLOATS or (name.endswith(".alpha") and value.dtype in WHOLE)
    layout = "nested" if value.is_nested else str(value.layout)
    if not real or layout != "torch.strided" or value.is_meta:
        what = f"{value.dtype}, {layout}, on {value.device}".replace("torch.", "")
        wanted = " or ".join(str(dtype).removeprefix("torch.") for dtype in FLOATS)
        raise UserError(f"{path}: {name!r} is {what}: wanted {wanted}, strided (dense), on cpu")
    return value.detach()


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
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:  # what is no pickle of tensors fails torch's reader in many ways
        raise UserError(f"{path}: {_reason(error)}: wanted a file of tensors alone, best a .safetensors") from error
    for key in WRAPPERS:
        if isinstance(held, Mapping) and isinstance(held.get(key), Mapping):
            twins = [name for name in held if name != key and "ema" in str(name) and isinstance(held[name], Mapping)]
            if twins:
                raise UserError(f"{path}: holds {key} and {twins[0]}, its averages (EMA): wanted one set of weights")
            held = held[key]
    if not isinstance(held, Mapping) or not held:
        raise UserError(f"{path}: holds {type(held).__name__}: wanted a dictionary of tensors")
    return {str(name): value for name, value in held.items()}


def _reason(error: Exception) -> str:
    """Which object a refused pickle asks for. torch's own message advises to run the code, and is not passed on."""
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    return f"refused, its pickle asks for {wanted[1]}" if wanted else "refused, it is no pickle of tensors"
