"""A method's name, version and settings read from its source, so that a plan need not import torch with it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from dumo_bench.citation import Paper
from dumo_bench.fields import checked
from dumo_bench.interfaces import Interpolated, Method
from dumo_bench.plugins import checks, loading

#: what the fields of a settings dataclass are written with
_WORDS = {
    "Any": Any, "ClassVar": ClassVar, "Literal": Literal, "Mapping": Mapping, "Paper": Paper, "Path": Path,
    "Sequence": Sequence, "dataclass": dataclass, "field": field, "__name__": __name__,
}  # fmt: skip


def make(spec: str, settings: Mapping[str, Any]) -> Any:
    """As loading.make("methods", ...), but without the methods' code wherever its fields are plain; else just that."""
    value = loading.located("methods", spec)
    cls = _bare(value)
    if cls is None:
        return loading.make("methods", spec, settings)
    checks.check("methods", value, cls)
    try:
        return cls(**checked(f"settings of {spec}", cls, settings))
    except NameError:  # a field's type is a name of the module
        return loading.make("methods", spec, settings)


def papers(name: str) -> tuple[Paper, ...]:
    """What a method of this short name asks to be cited; from its source wherever that can be read without its code."""
    spec = loading.located("methods", name)
    cls: Any = _bare(spec) or loading.load("methods", spec)
    found: tuple[Paper, ...] = cls.papers
    return found


def said(value: str, name: str) -> Any:
    """What the class `package.module:Thing` sets an attribute to, read from its source; None where no literal is."""
    place, _, thing = value.rpartition(":")
    source = _source(place)
    lines = ast.parse(source.read_text(encoding="utf-8")).body if source else []
    own = (line for one in lines if isinstance(one, ast.ClassDef) and one.name == thing for line in one.body)
    for line in own:
        targets = (
            line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        )
        if name in map(ast.unparse, targets) and isinstance(found := getattr(line, "value", None), ast.Constant):
            return found.value
    return None


def about(value: str) -> str:
    """The first line of the docstring of the file that `package.module:Thing` lies in; "" when there is none."""
    source = _source(value.rpartition(":")[0])
    said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else None
    return said.splitlines()[0] if said else ""


def _bare(value: str) -> type | None:
    """The class with its fields and no code, or None when they cannot be read without the module."""
    place, _, name = value.rpartition(":")
    source = _source(place)
    lines = ast.parse(source.read_text(encoding="utf-8")).body if source else []
    bases = _imported(lines)
    for node in lines:
        if isinstance(node, ast.ClassDef) and node.name == name:
            heir = [ast.unparse(one) for one in (*node.bases, *node.keywords)]
            plain = len(heir) == 1 and heir[0] in bases and "identity" not in _functions(node)
            return _fields_of(node, heir[0], bases[heir[0]]) if plain else None
    return None


def _imported(lines: Sequence[ast.stmt]) -> dict[str, type]:
    """The base classes of methods, by what a file calls them; without those that it does not import by name."""
    ours = [line for line in lines if isinstance(line, ast.ImportFrom) and line.module == Method.__module__]
    known: dict[str, type] = {"Method": Method, "Interpolated": Interpolated}
    return {one.asname or one.name: known[one.name] for line in ours for one in line.names if one.name in known}


def _functions(node: ast.ClassDef) -> list[str]:
    return [line.name for line in node.body if isinstance(line, ast.FunctionDef)]


def _fields_of(node: ast.ClassDef, called: str, base: type) -> type | None:
    """The class run without its module: its functions are there by name alone, so that a missing one is missed."""
    fields = [line for line in node.body if isinstance(line, (ast.AnnAssign, ast.Assign))]
    empty = ast.parse("".join(f"def {name}(self): ...\n" for name in _functions(node))).body
    bare = ast.ClassDef(
        name=node.name,
        bases=[ast.Name(called, ast.Load())],
        keywords=[],
        body=[*fields, *empty] or [ast.Pass()],
        decorator_list=node.decorator_list,
    )
    names = {**_WORDS, called: base}
    try:
        # this file's future import holds inside too: annotations stay text
        exec(compile(ast.fix_missing_locations(ast.Module([bare], [])), node.name, "exec"), names)
    except NameError:
        return None  # a default that is computed by the module
    found = names[node.name]
    return found if isinstance(found, type) else None


def _source(place: str) -> Path | None:
    """The file of a module, found without importing the packages above it."""
    if place.endswith(".py"):
        return Path(place) if Path(place).is_file() else None
    root, *rest = place.split(".")
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    origin = [Path(spec.origin)] if spec.origin and not rest else []
    below = [Path(folder, *rest) for folder in spec.submodule_search_locations or () if rest]
    found = [*origin, *(path.with_suffix(".py") for path in below), *(path / "__init__.py" for path in below)]
    return next((path for path in found if path.suffix == ".py" and path.is_file()), None)
