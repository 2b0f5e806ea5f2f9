"""What a manifest has to hold. It is data, and may be another's: what is odd is told, not met later as a bug."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from dumo_bench.types import Sampling

#: fields of a manifest and their types; all but `wish` may be missing, so that early ones are read
_TYPES: Mapping[str, type] = {
    "wish": dict, "suite": str, "suite_version": int, "cases": list, "model": str, "model_hash": str, "runs": list,
    "scorers": list, "sampling": dict, "not_applicable": str, "method": str,
}  # fmt: skip
_REFUSED = ("suite", "cases", "method")  # what goes with `not_applicable`
_TEXTS = ("cases", "scorers")  # lists of texts


def check(found: Any) -> None:
    """Refuse what is no manifest: another JSON value, a field that is missing or of another type."""
    if not isinstance(found, dict):
        raise ValueError(f"wanted an object, got {type(found).__name__}")
    for name, kind in _TYPES.items():
        if name in found and not isinstance(found[name], kind):
            raise ValueError(f"{name} is {type(found[name]).__name__}, wanted {kind.__name__}")
    for name in ("wish", *(_REFUSED if "not_applicable" in found else ())):
        if name not in found:
            raise ValueError(f"it lacks {name!r}")
    if not all(isinstance(text, str) for name in _TEXTS for text in found.get(name, ())):
        raise ValueError(f"{' and '.join(_TEXTS)} are lists of texts")
    if not isinstance(found["wish"].get("suite"), str):
        raise ValueError("request lacks the name of its suite")
    if "sampling" in found:
        _check_sampling(found["sampling"])


def _check_sampling(said: Mapping[str, Any]) -> None:
    """Refuse a contract with a field that is none, or without one that every contract has."""
    known = {field.name: field for field in fields(Sampling)}
    if odd := sorted(said.keys() - known.keys() - {"key"}):
        raise ValueError(f"sampling has no field {odd[0]!r}")
    if lacking := [name for name, one in known.items() if name not in said and one.default is MISSING]:
        raise ValueError(f"sampling lacks {lacking[0]!r}")
    for name, value in said.items():
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"sampling: {name} is {type(value).__name__}, wanted a text or a number")
