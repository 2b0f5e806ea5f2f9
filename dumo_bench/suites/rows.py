"""The rows of a CSV file, as its suite says where what stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from dumo_bench.errors import UserError, unknown


class Row(NamedTuple):
    """What a row says, by what a prompt has, and the line of the file on which it starts."""

    line: int
    cells: Mapping[str, str]


def read(
    raw: bytes, place: Path | str, columns: Mapping[str, str | int], *, header: bool, lines: bool
) -> Iterator[Row]:
    """The rows that say something; blank lines, and lines of commas alone, are none."""
    numbered = (_whole_lines if lines else _lines)(_text(raw, place), place)
    first, head = next(numbered, (1, []))
    at = {name: _place(column, head if header else [""] * len(head), place)
          for name, column in columns.items()}  # fmt: skip
    told = ((n, cells) for n, cells in chain([] if header else [(first, head)], numbered) if any(map(str.strip, cells)))
    for number, (line, cells) in enumerate(told, 1):
        if len(cells) != len(head):
            raise UserError(f"{place}:{line}: {len(cells)} cells, wanted {len(head)}: is a comma not quoted?")
        yield Row(line, {"id": str(number), **{name: cells[n] for name, n in at.items()}})


def _text(raw: bytes, place: Path | str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{place}:{line}: not UTF-8") from error


def _whole_lines(text: str, place: Path | str) -> Iterator[tuple[int, list[str]]]:
    """Every line as one cell."""
    del place
    for number, said in enumerate(io.StringIO(text, newline=None), 1):
        yield number, [said.rstrip("\n")]


def _lines(text: str, place: Path | str) -> Iterator[tuple[int, list[str]]]:
    """The cells of every line, with the number of the line on which it starts."""
    reader, start = csv.reader(io.StringIO(text, newline=""), strict=True), 1
    try:
        for cells in reader:
            yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{place}:{start}: broken CSV: {error}") from error


def _place(column: str | int, head: Sequence[str], place: Path | str) -> int:
    """Where a column stands, from 0. A name that is there twice is no name."""
    if isinstance(column, int):
        if column > len(head):
            raise UserError(f"{place}:1: there is no column {column}: the file has {len(head)}")
        return column - 1
    if column not in head:
        raise UserError(f"{place}:1: {unknown('columns', column, head)}")
    if head.count(column) > 1:
        numbers = " or ".join(str(n) for n, name in enumerate(head, 1) if name == column)
        raise UserError(
            f"{place}:1: {head.count(column)} columns are called {column!r}: name one by its number, {numbers}"
        )
    return head.index(column)
