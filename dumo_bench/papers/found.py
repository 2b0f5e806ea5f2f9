"""Paper files: which there are, and each with the published numbers that lie beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dumo_bench import published
from dumo_bench.api import file
from dumo_bench.api.paper import Paper
from dumo_bench.errors import UserError, unknown
from dumo_bench.published import Published


@dataclass(frozen=True, slots=True)
class Found:
    """A paper's tables and the numbers that may stand in them. nth: which of its tables these are, from 1."""

    name: str
    paper: Paper
    numbers: Sequence[Published]
    nth: tuple[int, ...]

    def only(self, table: int | None, methods: Sequence[str]) -> Found:
        """One table of it, and of the lines those of some methods, as ours or as theirs are called."""
        if table is not None and table not in self.nth:
            raise UserError(f"--table {table}: {self.name} has the tables {', '.join(map(str, self.nth))}")
        kept = {n: one for n, one in zip(self.nth, self.paper.tables, strict=True) if table in (None, n)}
        known = {name for one in kept.values() for line in one.methods for name in (line.name, line.printed) if name}
        if odd := next((name for name in methods if name not in known), None):
            raise unknown(f"methods of {self.name}", odd, known)
        if methods:
            kept = {n: of for n, one in kept.items() if (of := one.of_methods(methods)).methods}
        return replace(self, paper=replace(self.paper, tables=tuple(kept.values())), nth=tuple(kept))

    def asked(self, **more: Any) -> Found:
        """With other values of an experiment's fields; a budget is in place of the paper's own limit."""
        if "budget" in more:
            more = {"limit": None, **more}
        return replace(self, paper=self.paper.changed(**more))


def names() -> tuple[str, ...]:
    """The papers whose tables this project has as data."""
    return tuple(sorted(path.stem for path in published.folder().glob("*.toml")))


def read(typed: str) -> Found:
    """A paper by its name, or of a file beside which its numbers lie as results/published has them.

    Numbers of one paper alone are in a folder that is called as its file.
    """
    if not typed.endswith(".toml") and typed not in names():
        raise unknown("papers", typed, names())
    path = Path(typed) if typed.endswith(".toml") else published.folder() / f"{typed}.toml"
    return _found(path, published.load(path.parent))


def _found(path: Path, numbers: Sequence[Published]) -> Found:
    paper = file.read(path)
    if not isinstance(paper, Paper):
        raise UserError(f"{path}: it has no [[tables]] of a paper: type `dumo-bench run {path}`")
    own = published.load(path.with_suffix(""))
    return Found(path.stem, paper, [*numbers, *own], tuple(range(1, len(paper.tables) + 1)))


def lines() -> list[dict[str, str]]:
    """A line a paper: its name, how much it has, and whose tables these are."""
    numbers = published.load()
    return [_line(_found(published.folder() / f"{name}.toml", numbers)) for name in names()]


def _line(found: Found) -> dict[str, str]:
    from dumo_bench.papers.grid import grids

    every = grids(found)
    return {
        "name": found.name,
        "tables": str(len(every)),
        "numbers": str(sum(len(one.numbers) for one in every)),
        "made here": str(sum(len(one.makeable) for one in every)),
        "about": found.paper.title,
    }
