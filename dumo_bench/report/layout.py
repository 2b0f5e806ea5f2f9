"""How a table fits a paper: cut into parts that are no wider than a column or page, and floats that are not too high.

The widths of texts are estimates. Where a paper's font is wider, LaTeX itself measures each part and makes it smaller.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dumo_bench.report import captions, tables, tex
from dumo_bench.report.cells import Shown
from dumo_bench.report.tables import Block, Table
from dumo_bench.report.variants import Label

GAP = 8.0  # points between columns
HIGH, HEAD = 470.0, 45.0  # points: of the tabulars of a float at most, and of the head of one
LABEL, TOLD = 20, 12  # characters: of a method's name in a line, of a setting beside it


class Paper(NamedTuple):
    """How wide a column and the text of a paper are, in inches, and its \\footnotesize and \\tiny in points of Computer
    Modern of equal width."""

    column: float
    text: float
    size: float = 6.8  # Times
    small: float = 4.6


PAPERS: Mapping[str, Paper] = {
    "article": Paper(4.77, 4.77, 8.0, 6.3),
    "article-twocolumn": Paper(2.76, 5.67, 8.0, 6.3),
    "neurips": Paper(5.5, 5.5, 7.7),
    "ieee": Paper(3.5, 7.16),
    "cvpr": Paper(3.25, 6.875),
    "icml": Paper(3.25, 6.75),
}


class Form(NamedTuple):
    """Of a table in a paper: whether it goes over both columns of a page (table*)."""

    paper: Paper
    wide: bool = False

    @property
    def points(self) -> float:
        return 72.27 * (self.paper.text if self.wide else self.paper.column)


def form(paper: str, *, wide: bool) -> Form:
    """The form of a table of a paper of `PAPERS`."""
    return Form(PAPERS[paper], wide)


def fits(table: Table, of: Form) -> bool:
    """Whether a table is no wider than a form, by estimate."""
    return _side(table, of) + sum(_wide(column, of) for column in table.columns) <= of.points


def told(label: Label) -> str:
    """What tells a row from its method's others, in words."""
    return ", ".join(map(str, label.told))


def is_noted(label: Label) -> bool:
    """Whether that is too long to stand beside the method."""
    return len(told(label)) > TOLD


def names(label: Label) -> list[str]:
    """What a row is called, in lines."""
    return captions.wrapped(str(replace(label, told=()) if is_noted(label) else label), LABEL)


def _side(table: Table, of: Form) -> float:
    """How wide the names of rows are."""
    return max(tex.width(line, of.paper.size) for label in table.labels for line in names(label))


def _wide(column: Shown, of: Form) -> float:
    """How wide a column is with the gap before it."""
    small = [text for cell in column.cells for text in tables.below(column, cell)]
    large = [*captions.head(column), *(captions.number(column, cell) for cell in column.cells)]
    widths = [tex.width(text, of.paper.size) for text in large] + [tex.width(text, of.paper.small) for text in small]
    return GAP + max(widths)


def across(table: Table, of: Form) -> list[Table]:
    """Parts that fit a form: as many blocks as there is room for; one that is wider is parts of about equal width."""
    room = max(of.points - _side(table, of), 40.0)
    parts: list[list[Block]] = []
    free = 0.0
    for block in table.blocks:
        widths = [_wide(column, of) for column in block.columns]
        if parts and sum(widths) <= free:
            parts[-1].append(block)
            free -= sum(widths)
        else:
            parts += [[replace(block, columns=some)] for some in _cut(block.columns, widths, room)]
            free = room - sum(widths)  # nothing where the block was cut
    return [replace(table, blocks=tuple(blocks)) for blocks in parts]


def _cut(columns: Sequence[Shown], widths: Sequence[float], room: float) -> list[tuple[Shown, ...]]:
    """Columns in the fewest runs of about equal width of which each fits the room, or is one column alone."""
    ends = np.cumsum(widths)
    middles = ends - np.asarray(widths) / 2
    for n in range(math.ceil(ends[-1] / room), len(columns) + 1):
        at = np.minimum((n * middles / ends[-1]).astype(int), n - 1)
        runs = [[m for m in range(len(columns)) if at[m] == i] for i in range(n)]
        if all(sum(widths[i] for i in run) <= room for run in runs):
            return [tuple(columns[i] for i in run) for run in runs if run]
    return [(column,) for column in columns]


def pages(parts: Sequence[Table]) -> list[list[Table]]:
    """The parts of a table on as few floats as are not too high; one with too many rows is several."""
    found: list[list[Table]] = [[]]
    used = 0.0
    for part in (chunk for one in parts for chunk in _chunks(one)):
        high = HEAD + sum(_heights(part))
        if found[-1] and used + high > HIGH:
            found.append([])
            used = 0.0
        found[-1].append(part)
        used += high
    return found


def _chunks(table: Table) -> Iterator[Table]:
    """A table, or where it is too high some of its rows after others."""
    rows: list[int] = []
    used = HEAD
    for n, high in enumerate(_heights(table)):
        if rows and used + high > HIGH:
            yield tables.with_rows(table, rows)
            rows, used = [], HEAD
        rows.append(n)
        used += high
    yield tables.with_rows(table, rows)


def _heights(table: Table) -> list[float]:
    """How high each row is, in points: its numbers, and the small lines below them."""
    small = [[len(tables.below(column, cell)) for cell in column.cells] for column in table.columns]
    lines = [max(of, default=0) for of in zip(*small, strict=True)]
    named = [len(names(label)) for label in table.labels]
    return [10.0 + 6.8 * max(below, n - 1) for below, n in zip(lines, named, strict=True)]
