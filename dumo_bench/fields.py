"""Values as text or TOML gives them, with the types that the fields of a dataclass declare. Standard library only."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from dumo_bench.errors import UserError, unknown


def checked(what: str, cls: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the types that the fields of `cls` declare; an unknown key or a wrong type is a UserError.

    So is a number outside of the interval that `bounds` of the class give its field.
    """
    fields = {f.name for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    hints = typing.get_type_hints(cls) if settings else {}
    for key in settings:
        if key not in fields:
            raise unknown(what, key, fields)
    made = {key: _as(f"{what}: {key}", hints[key], value) for key, value in settings.items()}
    bounds: Mapping[str, str] = getattr(cls, "bounds", {})
    for key, value in made.items():
        if key in bounds and value is not None:
            _within(f"{what}: {key}", bounds[key], value)
    return made


def required(cls: type) -> list[str]:
    """The fields of a dataclass that have no default."""
    every = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    absent = dataclasses.MISSING
    return [f.name for f in every if f.init and f.default is absent and f.default_factory is absent]


def _within(what: str, interval: str, value: float) -> None:
    """Refuse a number outside of the interval, "[0, 1)" for one."""
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    below = value <= high if interval[-1] == "]" else value < high
    if not (above and below):
        raise UserError(f"{what} takes a number in {interval}, got {value!r}")


def _as(what: str, hint: Any, value: Any) -> Any:
    """`value` as `hint` says. Whole numbers pass for float, lists and single texts for tuples: equal is equal."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        for part in typing.get_args(hint):
            try:
                return _as(what, part, value)
            except UserError:
                continue
        raise UserError(f"{what} takes {_said(hint)}, got {value!r}")
    if hint is type(None) and value == "none":
        return None  # TOML has no null
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    _finite(what, value)
    if origin is tuple and isinstance(value, (list, str)):
        return (value,) if isinstance(value, str) else tuple(value)
    if origin is typing.Literal:
        return _one_of(what, typing.get_args(hint), value)
    plain = origin or hint
    if plain in (bool, int, float, str, tuple, type(None)) and type(value) is not plain:
        raise UserError(f"{what} takes {_said(hint)}, got {value!r}")
    return value


def _finite(what: str, value: Any) -> None:
    """Refuse NaN and infinity, which TOML can write and no setting means."""
    for number in value if isinstance(value, (list, tuple)) else (value,):
        if isinstance(number, float) and not math.isfinite(number):
            raise UserError(f"{what} takes finite numbers, got {number}")


def _one_of(what: str, options: tuple[Any, ...], value: Any) -> Any:
    """The option that is written like the value: TOML reads the name 2025 as a number."""
    for option in options:
        if str(option) == str(value):
            return option
    raise UserError(f"{what} is one of {', '.join(map(str, options))}, got {value!r}")


def _said(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)
