"""A table of a paper as a value: a row a method, columns in blocks, and what its caption says. Renderers only print it.

They are LaTeX, Markdown and CSV, chosen by the ending of the file that is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dumo_bench.analysis.recognition import MARK
from dumo_bench.report import captions
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.variants import Label

BOLD = "Bold: the best method, where it differs significantly from every other one"
SIGNIFICANT = "Bold: significant"
SECOND = "underlined: the second, where it does from all behind it"


@dataclass(frozen=True, slots=True)
class Block:
    """Columns that stand together under one head; "" has none."""

    head: str
    columns: tuple[Shown, ...]

    @property
    def n(self) -> str:
        """n of every column where it is the same, or nothing."""
        return _alike(self.columns)


@dataclass(frozen=True, slots=True)
class Table:
    """name: its label, a word without signs. notes: sentences of its caption, behind the title. with_roles: whether
    each column says which prompts it is of, where the notes do not. tested: whether its numbers
    are paired differences, which are bold where they are significant."""

    name: str
    title: str
    labels: tuple[Label, ...]
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    with_roles: bool = False
    tested: bool = False

    @property
    def columns(self) -> tuple[Shown, ...]:
        return tuple(column for block in self.blocks for column in block.columns)

    @property
    def n(self) -> str:
        """n of every column where it is the same, or nothing: then blocks or columns have to say their own."""
        return _alike(self.columns)

    def head(self, block: Block) -> str:
        """What stands over a block or a part of it, with n where the columns of each block share it."""
        return f"{block.head} ({block.n})" if self._by_block else block.head

    @property
    def _by_block(self) -> bool:
        return not self.n and all(block.head and block.n for block in self.blocks)

    def told(self, column: Shown) -> list[str]:
        """What stands under the header of a column, in lines."""
        own = not self.n and not self._by_block and bool(captions.counts(column))
        counted = captions.counts(column).split(", ") if own else []
        return [column.role, *counted] if self.with_roles else counted

    @property
    def caption(self) -> str:
        """Everything: the title, the notes, n, and what the marks that it has mean."""
        said = [self.title, *self.notes, *([self.n] if self.n else []), *_marks(self)]
        return " ".join(one if one.endswith((".", "?")) else f"{one}." for one in said if one)


def _alike(columns: Sequence[Shown]) -> str:
    counts = {counted for column in columns if (counted := captions.counts(column))}
    return counts.pop() if len(counts) == 1 else ""


def of_panel(case: CaseTables, panel: Panel, name: str) -> Table:
    """A panel of a report as a table of its own."""
    title, tested = f"{case.title}: {panel.title}", panel in case.paired
    return Table(name, title, panel.labels, (Block("", panel.columns),), with_roles=True, tested=tested)


def behind(blocks: Sequence[Block]) -> str:
    """What stands behind each header, or behind the head of a block of one metric; of parts the total they are of."""
    of: dict[str, dict[str, None]] = {}
    for block in blocks:
        alike = bool(block.head) and len({(column.metric, column.role) for column in block.columns}) == 1 < len(blocks)
        for column in block.columns:
            total = column.known.metric.part_of if column.known else ""
            head, what = ("parts", total) if total else (block.head if alike else column.header, column.metric)
            of.setdefault(head, {})[f"{what} ({column.role})"] = None
    return "; ".join(f"{head}: {', '.join(what)}" for head, what in of.items())


def below(column: Shown, cell: Cell) -> list[str]:
    """What stands under a number, in short lines; of a method that was not run on a case the dash says all."""
    return captions.below(column, cell) if cell.measured or cell.note else []


def _marks(table: Table) -> list[str]:
    cells = [cell for column in table.columns for cell in column.cells]
    bold, second = (any(getattr(cell, name) for cell in cells) for name in ("bold", "second"))
    fits = [1 if table.tested else label.fits for label in table.labels]
    said = {
        "In brackets: 95 % confidence intervals": min(fits) == 1 and any(cell.low is not None for cell in cells),
        "Of several training seeds the mean, in brackets the lowest and the highest": max(fits) > 1,
        "; ".join([SIGNIFICANT if table.tested else BOLD, *[SECOND] * second]): bold,
        f"{captions.DASH}: not measured": any(cell.value is None for cell in cells),
        f"{MARK}: the original shows what is asked for in under 50 % of pictures": any(c.unreliable for c in cells),
    }
    return [sentence for sentence, holds in said.items() if holds]


def with_rows(table: Table, rows: Sequence[int]) -> Table:
    """Some rows of a table, in this order."""

    def some(column: Shown) -> Shown:
        return replace(column, cells=tuple(column.cells[i] for i in rows))

    blocks = tuple(replace(block, columns=tuple(map(some, block.columns))) for block in table.blocks)
    return replace(table, labels=tuple(table.labels[i] for i in rows), blocks=blocks)
