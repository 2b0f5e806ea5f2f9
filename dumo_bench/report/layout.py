"""How a table fits a paper: cut into parts that are no wider than a column or page, and floats that are not too high.

The widths of texts are estimates. Where a paper's font is wider, LaTeX itself measures each part and makes it smaller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from dumo_bench.report import captions, tables, tex
from dumo_bench.report.cells import Shown
from dumo_bench.report.tables import Block, Table

GAP = 8.0  # points between columns
LINES = 46  # that a float is high at most, of \\footnotesize
LABEL = 20  # characters of a method's name in a line


class Paper(NamedTuple):
    """How wide a column and the text of a paper are, in inches, and its \\footnotesize and \\tiny in points of Computer
    Modern of equal width."""

    column: float
    text: float
    size: float = 7.4  # Times
    small: float = 4.8


PAPERS: Mapping[str, Paper] = {
    "article": Paper(4.77, 4.77, 8.0, 6.3),
    "article-twocolumn": Paper(2.76, 5.67, 8.0, 6.3),
    "neurips": Paper(5.5, 5.5, 8.3),
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


def _side(table: Table, of: Form) -> float:
    """How wide the names of rows are."""
    lines = (line for one in table.labels for line in captions.wrapped(str(one)[:LABEL], LABEL))
    return max(tex.width(line, of.paper.size) for line in lines)


def _wide(column: Shown, of: Form) -> float:
    """How wide a column is with the gap before it."""
    small = [text for cell in column.cells for text in tables.below(column, cell)]
    large = [*captions.head(column), *(captions.number(column, cell) for cell in column.cells)]
    widths = [tex.width(text, of.paper.size) for text in large] + [tex.width(text, of.paper.small) for text in small]
    return GAP + max(widths)


def across(table: Table, of: Form) -> list[Table]:
    """Parts that fit a form: as many blocks as there is room for; one that is wider is cut into parts of about equal
    width."""
    room = max(of.points - _side(table, of), 40.0)
    units = [part for block in table.blocks for part in _cut(block, room, of)]
    parts: list[list[Block]] = []
    used = room
    for unit in units:
        wide = sum(_wide(column, of) for column in unit.columns)
        if not parts or used + wide > room:
            parts.append([])
            used = 0.0
        parts[-1].append(unit)
        used += wide
    return [replace(table, blocks=tuple(blocks)) for blocks in parts]


def _cut(block: Block, room: float, of: Form) -> list[Block]:
    """The block, or where it is too wide its columns in parts that fit."""
    widths = [_wide(column, of) for column in block.columns]
    share = sum(widths) / math.ceil(sum(widths) / room)
    parts: list[list[Shown]] = [[]]
    used = 0.0
    for column, wide in zip(block.columns, widths, strict=True):
        if parts[-1] and used + wide > min(1.15 * share, room):
            parts.append([])
            used = 0.0
        parts[-1].append(column)
        used += wide
    return [Block(block.head, tuple(columns)) for columns in parts]


def pages(parts: Sequence[Table]) -> list[list[Table]]:
    """The parts of a table on as few floats as are not too high; one with too many rows is several."""
    pages: list[list[Table]] = [[]]
    used = 0
    for part in parts:
        high = 2 if any(tables.below(c, cell) for c in part.columns for cell in c.cells) else 1
        size = max(1, (LINES - 6) // high)
        for start in range(0, len(part.labels), size):
            rows = range(start, min(start + size, len(part.labels)))
            lines = 6 + high * len(rows)
            if pages[-1] and used + lines > LINES:
                pages.append([])
                used = 0
            pages[-1].append(tables.with_rows(part, rows))
            used += lines
    return pages
