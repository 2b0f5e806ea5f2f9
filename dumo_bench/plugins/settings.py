"""`--set key=value`: one TOML value a key, checked against the fields of the dataclass that takes them."""

from __future__ import annotations

import dataclasses
import math
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from dumo_bench.errors import UserError, unknown
from dumo_bench.interfaces import Plugin


def parse(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` texts as a mapping; a value that is no TOML value is the text itself."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise UserError(f"--set {pair!r}: wanted key=value, as in --set ridge=0.5")
        if key.strip() in found:
            raise UserError(f"--set {pair!r}: {key.strip()} is set already, to {found[key.strip()]!r}")
        try:
            value = tomllib.loads(f"value = {text}")
            found[key.strip()] = value["value"] if len(value) == 1 else text
        except tomllib.TOMLDecodeError:
            found[key.strip()] = text
    return found


def shard(text: str) -> tuple[int, int]:
    """`2/8` as (2, 8)."""
    index, _, of = text.partition("/")
    if not (text.isascii() and index.isdecimal() and of.isdecimal() and int(index) < int(of)):
        raise UserError(f"--shard {text!r}: wanted i/n with 0 <= i < n, as in --shard 0/8")
    return int(index), int(of)


def checked(what: str, cls: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the types that the fields of `cls` declare; an unknown key or a wrong type is a UserError.

    So is a number outside of the interval that a plugin's `bounds` give its field.
    """
    fields = {f.name for f in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else set()
    hints = typing.get_type_hints(cls) if settings else {}
    for key in settings:
        if key not in fields:
            raise unknown(what, key, fields)
    made = {key: _as(f"{what}: {key}", hints[key], value) for key, value in settings.items()}
    bounds = cls.bounds if issubclass(cls, Plugin) else {}
    for key, value in made.items():
        if key in bounds and value is not None:
            _within(f"{what}: {key}", bounds[key], value)
    return made


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


def listing(text: str) -> tuple[str, ...]:
    """`a,b` as ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
