"""The tables in Markdown, for a README or an issue."""

from __future__ import annotations

from collections.abc import Sequence

from dumo_bench.report import captions, coverage, scale
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.scale import Scale
from dumo_bench.report.tables import Table
from dumo_bench.texts import line

_SEARCHES = "\nAttacks x methods: attacks.md. The tables of each search's own suite follow.\n"


def document(cases: Sequence[CaseTables], scales: Sequence[Scale] = (), attacked: Sequence[str] = ()) -> str:
    """All cases, and suites whose cases grow. attacked: what attacks bring back, in sentences, before their suites."""
    own, searched = ([case for case in cases if case.attacked == wanted] for wanted in (False, True))
    told = ["## What attacks bring back\n", *(f"- {escape(one)}" for one in attacked), _SEARCHES] if attacked else []
    return "\n".join(
        ["# Report\n", f"{captions.LEGEND}\n", *map(section, own), *map(_scale, scales), *told, *map(section, searched)]
    )


def _scale(of: Scale) -> str:
    rows = [_line([escape(label), *map(escape, cells)]) for label, cells in scale.lines(of)]
    return "\n".join([f"## {escape(of.title)}\n", _line(["method", *scale.HEADS]), _line(["---"] * 7), *rows]) + "\n"


def section(case: CaseTables) -> str:
    """One case: warning, how much was measured, panels, what is missing, paired differences."""
    parts = [f"## {escape(case.title)}\n"]
    parts += [f"**{escape(case.warning)}**\n"] if case.warning else []
    parts += [f"{escape(sentence)}\n" for sentence in coverage.sentences(case.coverage)]
    parts += [f"{escape(case.contract)}\n", *(_table(panel) for panel in case.panels)]
    parts += [f"{escape(sentence)}\n" for sentence in [*captions.detection_rates(case), captions.metrics(case)]]
    lost = captions.missing(case)
    parts += ["Missing:\n", *(f"- {escape(sentence)}" for sentence in lost), ""] if lost else []
    if case.paired:
        parts += [f"### {escape(case.paired[0].title)}\n", f"{captions.paired(case)}\n", *map(_table, case.paired)]
    return "\n".join(parts)


def escape(text: str) -> str:
    """Text that means itself in a Markdown table: no link, picture, HTML or formula."""
    for char in "\\`*_<>|#[]!&~$":
        text = text.replace(char, f"\\{char}")
    return line(text)


def _table(panel: Panel) -> str:
    heads = [
        f"{escape(c.header)} {captions.arrow(c)}".rstrip() + f"<br>{escape(c.role)}, {captions.counts(c)}"
        for c in panel.columns
    ]
    lines = [_line([panel.title, *heads]), _line(["---", *("---:" for _ in panel.columns)])]
    for i, label in enumerate(panel.labels):
        lines.append(_line([escape(str(label)), *(_cell(column, column.cells[i]) for column in panel.columns)]))
    return "\n".join(lines) + "\n"


def _cell(column: Shown, cell: Cell) -> str:
    number = captions.number(column, cell)
    said = ", ".join(part for part in (captions.q_value(cell), escape(captions.remark(column, cell))) if part)
    parts = (
        f"**{number}**" if cell.bold else f"<u>{number}</u>" if cell.second else number,
        captions.interval(column, cell),
        f"({said})" if said else "",
    )
    return " ".join(part for part in parts if part)


def of_table(table: Table) -> str:
    """A table of its own: its caption, then its blocks side by side."""
    heads = [_head(table.head(block), column, table) for block in table.blocks for column in block.columns]
    lines = [_line(["", *heads]), _line(["---", *("---:" for _ in heads)])]
    for i, label in enumerate(table.labels):
        lines.append(_line([escape(str(label)), *(_cell(column, column.cells[i]) for column in table.columns)]))
    return "\n".join([f"{escape(table.caption)}\n", *lines]) + "\n"


def _head(block: str, column: Shown, table: Table) -> str:
    named = f"{escape(column.header)} {captions.arrow(column)}".rstrip()
    return "<br>".join([*[escape(block)] * bool(block), named, *map(escape, table.told(column))])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
