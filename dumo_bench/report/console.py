"""The tables on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dumo_bench.report import captions, coverage, tables
from dumo_bench.report.attack_matrix import groups, matrix
from dumo_bench.report.attack_rows import Row
from dumo_bench.report.attack_verdicts import sentences
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown, parts
from dumo_bench.texts import line, plain

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text


WIDTH = 140  # characters, of what is not a terminal
_BESIDE = (
    "Each beside fresh noise at an equal budget, and what it cost: attacks.md. The tables of each search's own suite: "
    "-v, report.md or the page."
)
_NAMES, _GAP = 20, 2  # of the names of rows at least, and between columns


def renderables(cases: Sequence[CaseTables], width: int = WIDTH) -> Iterator[RenderableType]:
    """Everything to print, in order, for a rich Console of this width; what is wider goes on in another table."""
    for case in cases:
        yield _text(case.title, style="bold")
        if case.warning:
            yield _text(case.warning, style="yellow")
        yield _text(" ".join(coverage.sentences(case.coverage)), style="yellow" if case.coverage.partial else "dim")
        yield _text(case.contract, style="dim")
        for panel in case.panels:
            yield from map(_table, _parts(panel, width))
        for sentence in [*captions.missing(case), *captions.detection_rates(case), captions.metrics(case)]:
            yield _text(f"  {sentence}", style="dim")
    if cases:
        yield _text(captions.LEGEND, style="dim")


def of_attacks(success: Sequence[Row], width: int = WIDTH) -> Iterator[RenderableType]:
    """What attacks bring back: methods x attacks of each threat model and metric, then a sentence a method."""
    for sees, metric, rows in groups(success):
        (_, _, *methods), *lines = matrix(rows)
        heads = ["\n".join([*attack.replace(" (", "\n(").splitlines(), case]) for attack, case, *_ in lines]
        told = list(zip(*(cells for _, _, *cells in lines), strict=True))
        most = max(1, (width - _NAMES) // (max(map(len, "\n".join(heads).splitlines())) + _GAP))
        for at in range(0, len(heads), most):
            own = [(name, cells[at : at + most]) for name, cells in zip(methods, told, strict=True)]
            yield _attacks(f"Attacks that see: {sees}; {metric}", heads[at : at + most], own)
    for sentence in sentences(success):
        yield _text(sentence)
    if success:
        yield _text(_BESIDE, style="dim")


def _attacks(title: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Table:
    found = _empty(title)
    for head in heads:
        found.add_column(_text(head), justify="right", no_wrap=True)
    for name, cells in rows:
        found.add_row(_text(line(name)), *(_text(cell.replace(" ", "\n", 1)) for cell in cells))
    return found


def of_table(found: tables.Table, width: int = WIDTH) -> Iterator[RenderableType]:
    """A table of a paper: its blocks below one another, then its caption."""
    for block in found.blocks:
        yield from map(_table, _parts(Panel(block.head or found.title, found.labels, block.columns), width))
    yield _text(found.caption, style="dim")


def _parts(panel: Panel, width: int) -> list[Panel]:
    """The panel, or where it is too wide several, so that no number or interval is broken."""
    texts = (text for column in panel.columns for text in (*captions.head(column), column.role, *_numbers(column)))
    widest = max(map(len, texts), default=0)
    return parts(panel, max(1, (width - _NAMES) // (widest + _GAP)))


def _numbers(column: Shown) -> Iterator[str]:
    for cell in column.cells:
        yield from (captions.number(column, cell), *captions.below(column, cell))


def _empty(title: str) -> Table:
    """A table with a column for the names of its rows."""
    from rich import box
    from rich.table import Table

    found = Table(title=_text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    found.add_column("")
    return found


def _table(panel: Panel) -> Table:
    found = _empty(panel.title)
    told = [[column.role, *captions.counts(column).split(", ")] for column in panel.columns]
    heads = [
        (captions.head(column), list(filter(None, lines))) for column, lines in zip(panel.columns, told, strict=True)
    ]
    tallest, deepest = (max(map(len, lines)) for lines in zip(*heads, strict=True))
    for above, below in heads:
        lines = [*[""] * (tallest - len(above)), *above, *below, *[""] * (deepest - len(below))]
        found.add_column(_text("\n".join(lines)), justify="right", no_wrap=True)
    for i, label in enumerate(panel.labels):
        found.add_row(_text(line(str(label))), *(_cell(column, column.cells[i]) for column in panel.columns))
    return found


def _cell(column: Shown, cell: Cell) -> Text:
    """Several lines, so that seven columns fit into 100 characters."""
    from rich.text import Text

    number = (
        captions.number(column, cell),
        "bold green" if cell.bold else "underline" if cell.second else "dim" if cell.unreliable else "",
    )
    below = [line(part) for part in captions.below(column, cell)]
    return Text.assemble(number, *(part for one in below for part in ("\n", (one, "dim"))))


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(plain(text), style=style)
