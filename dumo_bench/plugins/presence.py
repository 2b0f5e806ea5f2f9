"""Whether the plugins of earlier runs are still there, found without importing them."""

from __future__ import annotations

import re
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path


def there(kind: str, spec: str) -> bool:
    """Whether what `spec` names (`name`, `name@value`, `package.module:Thing`, `path/to/file.py:Thing`) can be found.

    Only the file is looked for: whether it still has the Thing, importing it would tell.
    """
    place, colon, _ = spec.rpartition(":")
    if re.match(r"[\w-]+@", spec) or not colon:
        return bool(entry_points(group=f"dumo_bench.{kind}", name=spec.partition("@")[0]))
    return Path(place).is_file() if place.endswith(".py") else _module(place)


def _module(place: str) -> bool:
    """Whether a module's file is there; the packages above it are not imported."""
    root, *rest = place.split(".")
    try:
        found = find_spec(root)
    except (ImportError, ValueError):
        return False
    for word in rest:
        if found is None:
            return False
        found = PathFinder.find_spec(f"{found.name}.{word}", found.submodule_search_locations or [])
    return found is not None
