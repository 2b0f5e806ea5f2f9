"""A CSV file of prompts as prompts: which column is what, and rows with their own seed, guidance and size."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args

from dumo_bench.errors import UserError, unknown
from dumo_bench.suites import source as sources
from dumo_bench.suites.checks import Refused, keys, one_of, typed, words
from dumo_bench.suites.source import SOURCE_KEYS, Source
from dumo_bench.types import Draw, Prompt, Role

T = TypeVar("T")
KINDS = ("object", "style", "hint")
ROLES: tuple[str, ...] = get_args(Role)
_KEYS = (*SOURCE_KEYS, "columns", "kind", "role", "strata")
_NEEDED = ("id", "text", "seed")
_COLUMNS = (*_NEEDED, "concept", "guidance", "height", "width")
OTHER = "other"  # the stratum of a text in which no word of a stratum occurs


@dataclass(frozen=True, slots=True)
class Csv:
    """How a file is read. `columns` maps what a prompt has to the file's own names.

    A concept is the row's own (column "concept"), or the first of `strata` of which the text has a word. `kind` says
    what a concept is to the picture: its object, its style, or a hint only.
    """

    source: Source
    columns: Mapping[str, str]
    kind: str = KINDS[0]
    role: Role | None = None
    strata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Row(NamedTuple):
    """The cells of a row by column, and the line of the file on which it starts."""

    line: int
    cells: Mapping[str, str]


def parse(data: Mapping[str, Any], beside: Path) -> Csv:
    """The [csv] table of a suite's file."""
    keys("csv", data, _KEYS)
    columns = typed(data, "columns", dict)
    keys("csv.columns", columns, _COLUMNS)
    for name in _NEEDED:
        if name not in columns:
            raise Refused("columns", f"[csv.columns] lacks {name!r}: the name of the column that holds it")
    for name in columns:
        typed(columns, name, str)
    strata = typed(data, "strata", dict, {})
    if ("concept" in columns) == bool(strata):
        raise Refused("columns", "a concept is either a column of [csv.columns] or found by the words of [csv.strata]")
    return Csv(
        sources.parse({k: v for k, v in data.items() if k in SOURCE_KEYS}, beside),
        columns,
        one_of(data, "kind", KINDS),
        one_of(data, "role", ROLES) if "role" in data else None,  # type: ignore[arg-type]
        {name: words(list_, name) for name, list_ in strata.items()},
    )


def prompts(raw: bytes, place: Path | str, layout: Csv, *, explicit: bool) -> list[Prompt]:
    """The rows of a file; what is wrong is said with file and line, of an explicit file without its text."""
    found, seen = [], dict[str, int]()
    concept = _concept(layout)
    for row in _rows(raw, place, layout):
        prompt = _prompt(row, place, layout, concept, "" if explicit else "{!r}")
        if prompt.id in seen:
            raise UserError(f"{place}:{row.line}: the id {prompt.id!r} is there already, on line {seen[prompt.id]}")
        seen[prompt.id] = row.line
        found.append(prompt)
    wanted = layout.source.rows
    if wanted and len(found) != wanted:
        raise UserError(f"{place} has {len(found):,} rows, wanted {wanted:,}")
    return found


def _prompt(row: Row, place: Path | str, layout: Csv, concept: Callable[[Mapping[str, str]], str], show: str) -> Prompt:
    def cell(name: str, read: Callable[[str], T], wanted: str) -> T | None:
        """None where the set has no such column or the row leaves it empty: never the value of an earlier row."""
        text = row.cells[layout.columns[name]] if name in layout.columns else ""
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            got = f", got {show.format(text[:40])}" if show else ""
            raise UserError(f"{place}:{row.line}: {layout.columns[name]} is {wanted}{got}") from error

    seed = cell("seed", _whole, "a whole number from 0")
    if seed is None:
        raise UserError(f"{place}:{row.line}: the row has no {layout.columns['seed']}")
    name = concept(row.cells)
    return Prompt(
        id=row.cells[layout.columns["id"]],
        text=row.cells[layout.columns["text"]],
        concept=name,
        draws=(Draw(seed),),
        guidance=cell("guidance", _finite, "a number from 0"),
        height=cell("height", _side, "a multiple of 8"),
        width=cell("width", _side, "a multiple of 8"),
        role=layout.role,
        shows={} if layout.kind == "hint" else {layout.kind: name},
    )


def _concept(layout: Csv) -> Callable[[Mapping[str, str]], str]:
    """From the cells of a row to what it is counted under."""
    if not layout.strata:
        column = layout.columns["concept"]
        return lambda cells: cells[column]
    order = list(layout.strata)
    of = {word: n for n in reversed(range(len(order))) for word in layout.strata[order[n]]}
    text = layout.columns["text"]

    def first(cells: Mapping[str, str]) -> str:
        met = [of[word] for word in re.findall(r"[a-z]+", cells[text].lower()) if word in of]
        return order[min(met)] if met else OTHER

    return first


def _rows(raw: bytes, place: Path | str, layout: Csv) -> Iterator[Row]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UserError(f"{place}:{line}: not UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        head = next(reader, [])
        for column in layout.columns.values():
            if column not in head:
                raise UserError(f"{place}:1: {unknown('columns', column, head)}")
        start = reader.line_num + 1
        for cells in reader:
            if len(cells) != len(head):
                raise UserError(f"{place}:{start}: {len(cells)} cells, wanted {len(head)}: is a comma not quoted?")
            yield Row(start, dict(zip(head, cells, strict=True)))
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{place}:{start}: broken CSV: {error}") from error


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 2**64:
        raise ValueError(text)
    return int(text)


def _side(text: str) -> int:
    if not _whole(text) or int(text) % 8:
        raise ValueError(text)
    return int(text)


def _finite(text: str) -> float:
    if not 0 <= float(text) < float("inf"):
        raise ValueError(text)
    return float(text)
