"""One EXPERIMENT.toml. docs/experiments.md says what it may hold; what is wrong is refused with file and line."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from dumo_bench.api.experiment import Experiment
from dumo_bench.api.paper import Paper
from dumo_bench.errors import UserError, unknown
from dumo_bench.plugins import settings as setting
from dumo_bench.suites import bounds
from dumo_bench.suites.checks import Refused
from dumo_bench.suites.file import located, parsed

T = TypeVar("T")


def _by(check: Callable[[str], object]) -> Callable[[Any], str]:
    """What is wrong with a text that something else reads, or nothing."""

    def wrong(value: Any) -> str:
        try:
            check(value)
        except UserError as error:
            return str(error).partition(": ")[2]
        except TypeError:
            return "is a text"
        return ""

    return wrong


#: field -> what is wrong with its value, or ""; of a list with each of its values
_RULES = {
    "seeds": bounds.seed,
    "seed": bounds.seed,
    "limit": bounds.whole(1, bounds.MOST_SEED),
    "batch_size": bounds.whole(1, 1024),
    "pictures": bounds.whole(1, 1000),
    "cpus_per_worker": bounds.whole(1, 2**31 - 1),
    "shard": _by(setting.shard),
    "budget": _by(setting.duration),
    "device": _by(setting.device),
}


def read(path: Path) -> Experiment:
    """The experiment that a file states."""
    text, data = parsed(path, "experiment")
    with located(path, text):
        return made(data)


def made(data: Mapping[str, Any]) -> Experiment:
    """The experiment that tables state, as a file has them, or the paper, if it has [[tables]]; Refused says which key
    is wrong."""
    try:
        if "tables" in data:
            return _table(Paper, data, "paper", Counted())
        return _table(Experiment, data, "experiment", Counted())
    except UserError as error:  # of the whole: it lacks something, or has a row twice
        raise Refused("methods", str(error)) from error


class Counted(dict[str, int]):
    """How often each key has stood in the file so far: an error is said on the line of the one that it is about."""

    def __missing__(self, key: str) -> int:
        return 0


def _table(cls: type[T], data: Mapping[str, Any], where: str, seen: Counted) -> T:
    """A dataclass of a table whose keys are its fields."""
    known = {one.name: one for one in fields(cls)}  # type: ignore[arg-type]
    hints = get_type_hints(cls)
    found = {}
    for key, value in data.items():
        if key not in known:
            raise Refused(key, str(unknown(f"keys of {where}", key, known)), seen[key])
        if problem := _problem(key, value):
            raise Refused(key, f"{key} {problem}, got {value!r}", seen[key])
        nth, seen[key] = seen[key], seen[key] + 1
        found[key] = _value(hints[key], key, value, nth, seen)
    if lacking := next((name for name, one in known.items() if _needed(one) and name not in found), None):
        said = f"{where} lacks {lacking!r}: {_example(lacking, hints[lacking])}"
        raise Refused(where.partition("]]")[0].strip("["), said, _nth(where))
    return cls(**found)


def _example(key: str, hint: Any) -> str:
    """How a key is written."""
    of = get_args(hint)[0] if get_origin(hint) is tuple else None
    if of is None:
        return f'{key} = "..."'
    first = next((one.name for one in fields(of) if _needed(one)), "") if is_dataclass(of) else ""
    return f'[[{key}]] with {first} = "..."' if first else f'{key} = ["..."]'


def _nth(where: str) -> int:
    """Of "[[methods]] 2" 1."""
    _, _, number = where.partition("]] ")
    return int(number) - 1 if number else 0


def _needed(one: Field[Any]) -> bool:
    return one.default is MISSING and one.default_factory is MISSING


def _problem(key: str, value: Any) -> str:
    """What is wrong with the numbers of a key, or nothing."""
    rule = _RULES.get(key)
    return next(filter(None, map(rule, value if isinstance(value, list) else [value])), "") if rule else ""


def _value(hint: Any, key: str, value: Any, nth: int, seen: Counted) -> Any:
    """A value as a field's type has it."""
    origin, of = get_origin(hint), get_args(hint)
    if origin in (typing.Union, UnionType):
        return _value(of[0], key, value, nth, seen)  # TOML has no null: None is what is not said
    if origin is tuple and hasattr(of[0], "__dataclass_fields__"):
        return tuple(_tables(of[0], key, value, nth, seen))
    if origin is tuple:
        if not isinstance(value, list):
            raise Refused(key, f"{key} is a list, got {value!r}", nth)
        return tuple(_value(of[0], key, one, nth, seen) for one in value)
    if origin is Literal:
        if value not in of:
            raise Refused(key, str(unknown(key, str(value), of)), nth)
        return value
    kind = dict if origin is not None else hint
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        said = {dict: "a table", str: "a text", int: "a whole number", float: "a number"}[kind]
        raise Refused(key, f"{key} is {said}, got {value!r}", nth)
    return value


def _tables(cls: type[T], key: str, value: Any, nth: int, seen: Counted) -> Iterator[T]:
    """[[key]], in order."""
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused(key, f"{key} is written as tables: [[{key}]]", nth)
    for number, one in enumerate(value, 1):
        yield _table(cls, one, f"[[{key}]] {number}", seen)
