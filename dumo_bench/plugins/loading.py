"""Names to things: `name`, `package.module:Thing` or `path/to/file.py:Thing`. Imports nothing until asked."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from dumo_bench.errors import Misdeclared, UserError, unknown
from dumo_bench.fields import checked, required
from dumo_bench.interfaces import Plugin, Sequel
from dumo_bench.plugins import checks, classes
from dumo_bench.plugins.settings import parse
from dumo_bench.types import digest

Kind: TypeAlias = str  #: a row of `checks.BASES`


def providers(kind: Kind) -> Mapping[str, EntryPoint]:
    """The installed entry points of a kind by name. Two different things under one name are an error."""
    found: dict[str, EntryPoint] = {}
    for entry in _installed(entry_points, f"dumo_bench.{kind}", tuple(sys.path)):
        first = found.setdefault(entry.name, entry)
        if first.value != entry.value:
            raise UserError(
                f"{kind}: {entry.name!r} is provided twice, by {_origin(first)} and by {_origin(entry)}; "
                "uninstall one of them, or name one as package.module:Thing"
            )
    return found


@cache
def _installed(read: Callable[..., Iterable[EntryPoint]], group: str, path: tuple[str, ...]) -> list[EntryPoint]:
    """The entry points of a group in packages on this path, of which each has to be opened: once is enough."""
    del path
    return sorted(read(group=group), key=lambda entry: (entry.name, entry.value))


def names(kind: Kind) -> tuple[str, ...]:
    """Every short name of a kind. Imports no plugin."""
    return tuple(providers(kind))


def load(kind: Kind, spec: str) -> Any:
    """The object that `spec` names, checked. An import error inside a plugin is raised as it is, with a note."""
    spec = located(kind, spec)
    place, _, thing = spec.rpartition(":")
    try:
        module = _file(Path(place)) if place.endswith(".py") else _module(place, spec)
    except Misdeclared as error:
        raise UserError(f"{spec}: {error}") from error
    except UserError:
        raise
    except Exception as error:
        error.add_note(f"while {spec!r} was imported as one of the {kind}")
        raise
    if not hasattr(module, thing):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise unknown(f"{place}", thing, public)
    found = getattr(module, thing)
    checks.check(kind, spec, found)
    return found


def located(kind: Kind, spec: str) -> str:
    """A short name as the `package.module:Thing` that provides it; `baselines.x` is `dumo_bench.baselines.x`."""
    if spec.endswith(".py"):
        raise UserError(_classless(kind, spec))
    if ":" not in spec:
        known = providers(kind)
        if spec not in known:
            raise unknown(kind, spec, known)
        spec = known[spec].value
    return f"dumo_bench.{spec}" if spec.startswith("baselines.") else spec


def _classless(kind: Kind, spec: str) -> str:
    """About a file that is named without what in it is meant: which plugins of this kind it holds."""
    if not Path(spec).is_file():
        return f"{spec}: no such file (path/to/file.py:Thing)"
    if found := classes.within(kind, Path(spec)):
        return f"{spec}: say which of its {kind} is meant: {' or '.join(f'{spec}:{name}' for name in found)}"
    bases = " or ".join(base.__name__ for base in checks.BASES[kind])
    heirs = f"; no class in it inherits {bases}" if bases else ""
    return f"{spec}: say what in it is meant, as {spec}:Thing{heirs}"


def make(kind: Kind, spec: str, settings: Mapping[str, Any] | None = None) -> Any:
    """An instance of the dataclass that `spec` names, with `settings` in place of its defaults.

    `name@value` sets the one field that a plugin says it takes so (`takes`): clip_score@openai/clip-vit-large-patch14.
    """
    spec, at, value = spec.partition("@") if re.match(r"[\w-]+@", spec) else (spec, "", "")
    cls = load(kind, spec)
    if at:
        if not (isinstance(cls, type) and issubclass(cls, Plugin) and cls.takes):
            raise UserError(f"{spec}@{value}: {spec} takes nothing behind @")
        settings = {**(settings or {}), cls.takes: value}
    if not isinstance(cls, type):
        if settings:
            raise UserError(f"{spec} is a ready-made object and takes no settings, got {', '.join(settings)}")
        checks.declared(spec, cls)
        return cls
    given = checked(f"settings of {spec}", cls, settings or {})
    if lacking := [name for name in required(cls) if name not in given]:
        raise UserError(f"settings of {spec}: {lacking[0]} has no default: say {lacking[0]}=VALUE")
    made = cls(**given)
    checks.declared(spec, made)
    return made.over(make("methods", made.of, parse(made.of_set))) if isinstance(made, Sequel) else made


def _module(place: str, spec: str) -> ModuleType:
    if not all(place.split(".")):
        raise UserError(f"{spec}: {place!r} names no module (package.module:Thing, or file.py:Thing)")
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is None or not (place == error.name or place.startswith(f"{error.name}.")):
            raise  # the plugin is there, something that it imports is not
        raise UserError(
            f"{spec}: there is no module {error.name!r} (package.module:Thing, or file.py:Thing)"
        ) from error


def _file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"{path}: no such file (path/to/file.py:Thing)")
    name = f"dumo_bench_file_{digest(str(path.resolve()))[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # the name ends in .py
    module = sys.modules[name] = importlib.util.module_from_spec(spec)  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _origin(entry: EntryPoint) -> str:
    return f"{entry.value} ({entry.dist.name if entry.dist else 'unknown package'})"
