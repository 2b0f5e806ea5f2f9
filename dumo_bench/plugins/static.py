"""A method's name, version and settings read from its source, so that a plan need not import torch with it."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from dumo_bench.plugins import loading
from dumo_bench.plugins.settings import checked

#: what the fields of a settings dataclass are written with
_WORDS = {
    "Any": Any, "ClassVar": ClassVar, "Literal": Literal, "Mapping": Mapping, "Path": Path, "Sequence": Sequence,
    "dataclass": dataclass, "field": field, "__name__": __name__,
}  # fmt: skip


def make(spec: str, settings: Mapping[str, Any]) -> Any:
    """As plugins.make("methods", ...), but without the methods' code wherever its fields are plain; else just that."""
    cls = _bare(spec)
    try:
        return cls(**checked(f"settings of {spec}", cls, settings)) if cls else loading.make("methods", spec, settings)
    except NameError:  # a field's type is a name of the module
        return loading.make("methods", spec, settings)


def about(value: str) -> str:
    """The first line of the docstring of the file that `package.module:Thing` lies in; "" when there is none."""
    source = _source(value.rpartition(":")[0])
    said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source else None
    return said.splitlines()[0] if said else ""


def _bare(spec: str) -> type | None:
    """The dataclass with its fields alone, or None when they cannot be read without the module."""
    value = spec
    if ":" not in spec:
        known = loading.providers("methods")
        if spec not in known:
            return None
        value = known[spec].value
    place, _, name = value.rpartition(":")
    source = _source(place)
    for node in ast.parse(source.read_text(encoding="utf-8")).body if source else ():
        if isinstance(node, ast.ClassDef) and node.name == name and not node.bases:
            own = {line.name for line in node.body if isinstance(line, ast.FunctionDef)}
            return None if "identity" in own else _fields_of(node)  # what a recipe says of it is computed
    return None


def _fields_of(node: ast.ClassDef) -> type | None:
    fields: list[ast.stmt] = [line for line in node.body if isinstance(line, ast.AnnAssign)]
    bare = ast.ClassDef(
        name=node.name, bases=[], keywords=[], body=fields or [ast.Pass()], decorator_list=node.decorator_list
    )
    names = dict(_WORDS)
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
