"""What is typed behind options: `--set key=value`, a shard, a list."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from dumo_bench.errors import UserError


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


def duration(text: str, option: str = "--budget") -> float:
    """`2h`, `90m`, `1h30m` as seconds."""
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(f"(?:{number}h)?(?:{number}m)?(?:{number}s)?", text)
    seconds = sum(float(n or 0) * unit for n, unit in zip(found.groups(), (3600, 60, 1), strict=True)) if found else 0.0
    if not seconds:
        raise UserError(f"{option} {text}: wanted a time, such as 2h, 90m or 1h30m")
    return seconds


def device(text: str) -> str:
    """The name of a device."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?|mps", text):
        raise UserError(f"--device {text!r}: wanted auto, cpu, cuda, cuda:0, cuda:1, ... or mps")
    return text


def listing(text: str) -> tuple[str, ...]:
    """`a,b` as ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
