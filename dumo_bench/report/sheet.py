"""Tables as CSV, a line a number: what is shown, with what marks it, for whoever goes on calculating or drawing."""

from __future__ import annotations

import csv as writer
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.tables import Table
from dumo_bench.report.variants import Label
from dumo_bench.texts import cell, plain

_NUMBERS = ("value", "low", "high", "q", "n", "n_missing", "note")
_MARKS = ("bold", "second", "unreliable")
_ROW = ("method", "settings", "fits")
_COLUMN = ("title", "metric", "role", "better")
_OF_CASE = ("suite", "suite_version", "case", "panel")


def csv(table: Table) -> str:
    """A table: its blocks, columns and rows in order."""
    return _text(("block", *_COLUMN, *_ROW, *_NUMBERS, *_MARKS), rows(table))


def rows(table: Table) -> list[dict[str, Any]]:
    """A table as rows, a number each."""
    return [
        {"block": block.head, **row}
        for block in table.blocks
        for column in block.columns
        for row in _rows(table.labels, column)
    ]


def report(cases: Iterable[CaseTables]) -> str:
    """Every table of a report. params: the settings of a method as JSON, in rows of one fit."""
    found = (row for case in cases for panel in (*case.panels, *case.paired) for row in _panel(case, panel))
    return _text((*_OF_CASE, *_COLUMN, *_ROW, "params", *_NUMBERS, *_MARKS), found)


def _panel(case: CaseTables, panel: Panel) -> Iterator[dict[str, Any]]:
    of = dict(zip(_OF_CASE, (case.suite, case.version, case.case, panel.title), strict=True))
    several = len(panel.labels) >= len(case.kin) and panel not in case.paired
    params = [str(kin[2]) for kin in case.kin] if several else []
    for column in panel.columns:
        for n, row in enumerate(_rows(panel.labels, column)):
            yield {**of, "params": params[n] if n < len(params) else "", **row}


def _rows(labels: Iterable[Label], column: Shown) -> Iterator[dict[str, Any]]:
    way = {True: "higher", False: "lower", None: "neither"}[column.higher]
    of = dict(zip(_COLUMN, (column.header, column.metric, column.role, way), strict=True))
    for label, one in zip(labels, column.cells, strict=True):
        row = dict(zip(_ROW, (label.method, ", ".join(map(str, label.told)), label.fits), strict=True))
        yield {**of, **row, **_numbers(one)}


def _numbers(one: Cell) -> dict[str, Any]:
    note = one.note or ("" if one.measured else "not scored")
    return {name: getattr(one, name) for name in (*_NUMBERS, *_MARKS)} | {"note": note}


def _text(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    into = writer.DictWriter(stream, list(columns), lineterminator="\n")
    into.writeheader()
    into.writerows({name: _said(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _said(value: Any) -> Any:
    """What is a text is no formula; numbers stay; of marks 1 or 0."""
    return int(value) if isinstance(value, bool) else cell(plain(value)) if isinstance(value, str) else value
