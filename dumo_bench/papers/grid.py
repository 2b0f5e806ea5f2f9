"""A paper's table as lines and columns of published numbers, each with ours beside it once there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from dumo_bench import published
from dumo_bench.api.paper import Columns, Line, PaperTable
from dumo_bench.errors import unknown
from dumo_bench.papers.found import Found
from dumo_bench.published import Published, Results

#: line and column of a cell
Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Head:
    """A column: one metric of a suite and case."""

    of: Columns
    metric: str

    def holds(self, row: Published, table: PaperTable) -> bool:
        """Whether a published number is in it."""
        sources = _sources(table, self.of)
        wanted = (self.of.suite, self.of.case, self.metric)
        told = self.of.convention is None or row.convention == self.of.convention
        return row.source in sources and (row.suite, row.case, row.metric) == wanted and told


@dataclass(frozen=True)
class Grid:
    """A table with its published numbers. beside: ours, where they were compared."""

    number: int
    table: PaperTable
    heads: Sequence[Head]
    numbers: Mapping[Place, Published]
    beside: Mapping[Place, published.Line] = field(default_factory=dict)

    @property
    def methods(self) -> Sequence[Line]:
        return self.table.methods

    @cached_property
    def makeable(self) -> Sequence[Place]:
        """The cells that this project can measure."""
        return [(i, j) for i, j in self.numbers if not self.methods[i].why and not self.heads[j].of.why]

    def compared(self, results: Results) -> Grid:
        """With what a results folder has of what can be measured."""
        found = published.compare([self.numbers[place] for place in self.makeable], results)
        return replace(self, beside=dict(zip(self.makeable, found, strict=True)))

    @property
    def ours(self) -> Sequence[published.Line]:
        """The cells that have a number of ours."""
        return [line for line in self.beside.values() if line.ours is not None]


def grids(found: Found) -> list[Grid]:
    """Every table of a paper."""
    return [_grid(number, table, found.numbers) for number, table in zip(found.nth, found.paper.tables, strict=True)]


def check(found: Found) -> None:
    """Refuse what names no published number: it would be made, and stand nowhere."""
    for one in grids(found):
        _check_columns(one, found.numbers)
        told = {i for i, _ in one.numbers}
        if odd := next((line.printed for i, line in enumerate(one.methods) if i not in told), None):
            sources = _sources(one.table)
            known = {row.method for row in found.numbers if row.source in sources} - {odd}
            raise unknown(f"{found.name}, table {one.number}: published methods in its columns", odd, known)


def _check_columns(grid: Grid, numbers: Sequence[Published]) -> None:
    where, told = f"table {grid.number}: published", {j for _, j in grid.numbers}
    known = {row.source for row in numbers}
    if odd := next((source for source in _sources(grid.table) if source not in known), None):
        raise unknown(f"{where} sources", odd, known)
    for head in (head for j, head in enumerate(grid.heads) if j not in told):
        left = [row for row in numbers if row.source in _sources(grid.table, head.of)]
        wanted = {"suite": head.of.suite, "case": head.of.case, "metric": head.metric, "convention": head.of.convention}
        for name, value in wanted.items():
            some = {getattr(row, name) for row in left}
            if value is not None and value not in some:
                raise unknown(f"{where} {name}s", value, some)
            left = [row for row in left if value in (None, getattr(row, name))]


def _sources(table: PaperTable, of: Columns | None = None) -> Sequence[str]:
    """Where numbers of a table, or of one of its columns, are from."""
    if of is not None:
        return (of.source,) if of.source else table.sources
    return tuple(dict.fromkeys([*table.sources, *(one.source for one in table.columns if one.source)]))


def _grid(number: int, table: PaperTable, numbers: Sequence[Published]) -> Grid:
    heads = [Head(of, metric) for of in table.columns for metric in of.metrics]
    cells: dict[Place, Published] = {}
    for i, line in enumerate(table.methods):
        mine = [row for row in numbers if row.method == line.printed]
        for j, head in enumerate(heads):
            if (row := next((row for row in mine if head.holds(row, table)), None)) is not None:
                cells[i, j] = row
    return Grid(number, table, heads, cells)
