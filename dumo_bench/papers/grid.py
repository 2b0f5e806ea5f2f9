"""A paper's table as lines and columns of published numbers, each with ours beside it once there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from dumo_bench import published
from dumo_bench.api.paper import Columns, Line, PaperTable
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
        sources = (self.of.source,) if self.of.source else table.sources
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


def _grid(number: int, table: PaperTable, numbers: Sequence[Published]) -> Grid:
    heads = [Head(of, metric) for of in table.columns for metric in of.metrics]
    cells: dict[Place, Published] = {}
    for i, line in enumerate(table.methods):
        mine = [row for row in numbers if row.method == line.printed]
        for j, head in enumerate(heads):
            if (row := next((row for row in mine if head.holds(row, table)), None)) is not None:
                cells[i, j] = row
    return Grid(number, table, heads, cells)
