"""What a TOML table may hold; what is wrong is refused with the key on whose line to say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dumo_bench.errors import unknown
from dumo_bench.types import spelt


class Refused(Exception):
    """What is wrong with a suite's file, and the key (its nth occurrence) on whose line to say it."""

    def __init__(self, key: str, why: str, nth: int = 0) -> None:
        super().__init__(why)
        self.key, self.nth = key, nth


def keys(where: str, data: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse a key that is not among the known ones."""
    for key in data:
        if key not in known:
            raise Refused(key, str(unknown(f"keys of a {where}", key, known)))


def tables(data: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    """[[key]], none when it is not said."""
    found = data.get(key, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refused(key, f"{key} is written as tables: [[{key}]]")
    return found


def typed(data: Mapping[str, Any], key: str, kind: type, default: Any = None) -> Any:
    """The value of a key, which has this type and no other (True is no int)."""
    value = data.get(key, default)
    if type(value) is not kind:
        raise Refused(key, f"{key} is {'a table' if kind is dict else f'of type {kind.__name__}'}, got {value!r}")
    return value


def named(data: Mapping[str, Any], key: str, default: Any = None) -> str:
    """The value of a key that something is called by: a text in which there is something to see."""
    value = typed(data, key, str, default)
    if not spelt(value):
        raise Refused(key, f"{key} is a text that is not blank, got {value!r}")
    return str(value)


def one_of(data: Mapping[str, Any], key: str, known: Sequence[str]) -> str:
    """The value of a key among the known ones; the first when it is not said."""
    value = typed(data, key, str, known[0])
    if value not in known:
        raise Refused(key, str(unknown(key, value, known)))
    return str(value)


def words(value: Any, key: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise Refused(key, f"{key} is a list of texts, got {value!r}")
    return tuple(value)


def no_twins(key: str, ids: Sequence[tuple[str, int]]) -> None:
    """Refuse an id that is there twice. `ids` come with the number of the table that each is from."""
    seen: dict[str, int] = {}
    for name, nth in ids:
        if name in seen:
            raise Refused(key, f"{key} {nth + 1}: the id {name!r} is there already, from {key} {seen[name] + 1}", nth)
        seen[name] = nth
