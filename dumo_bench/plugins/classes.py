"""Which plugins a file holds, read from its source: nothing in it runs."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path

from dumo_bench.errors import UserError
from dumo_bench.plugins import checks

#: kind -> rooms of this project whose classes are of that kind
_ROOMS: Mapping[str, tuple[str, ...]] = {"methods": ("methods", "baselines"), "scorers": ("scorers",), "suites": ()}


def within(kind: str, path: Path) -> list[str]:
    """The public classes of a file that inherit a base of a kind, or a class that does; in order."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python: {error}") from error
    heirs = _imported(kind, body)
    found = []
    for node in body:
        if isinstance(node, ast.ClassDef) and any(_last(base) in heirs for base in node.bases):
            heirs.add(node.name)
            found.append(node.name)
    return [name for name in found if not name.startswith("_")]


def _imported(kind: str, body: Sequence[ast.stmt]) -> set[str]:
    """What a file calls the kind's bases, and classes of this project that inherit them."""
    bases = {base.__name__ for base in checks.BASES[kind]}
    found = set(bases)  # as `interfaces.Method`, too
    for node in body:
        if isinstance(node, ast.ImportFrom):
            whole = (node.module or "").removeprefix("dumo_bench.").split(".")[0] in _ROOMS[kind]
            found |= {one.asname or one.name for one in node.names if whole or one.name in bases}
    return found


def _last(node: ast.expr) -> str:
    """`Method` of `Method` and of `interfaces.Method`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
