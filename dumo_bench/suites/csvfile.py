"""A CSV file of prompts as prompts: which column is what, and rows with their own seed, guidance and size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

from dumo_bench.errors import UserError
from dumo_bench.suites import bounds, cells, rows, strata
from dumo_bench.suites import source as sources
from dumo_bench.suites.checks import Refused, keys, one_of, typed, words
from dumo_bench.suites.draws import DRAW_KEYS, rule
from dumo_bench.suites.source import SOURCE_KEYS, Source
from dumo_bench.types import Draw, Prompt, Role, spelt

T = TypeVar("T")
KINDS = ("object", "style", "hint")
ROLES: tuple[str, ...] = get_args(Role)
_KEYS = (*SOURCE_KEYS, *DRAW_KEYS, "columns", "kind", "role", "roles", "concept", "strata", "header", "lines")
_COLUMNS = ("id", "text", "seed", "draws", "concept", "role", "guidance", "height", "width", "start")
_SIZE = f"a multiple of {bounds.STEP} from {bounds.STEP} to {bounds.MOST_PIXELS:,}"


@dataclass(frozen=True, slots=True)
class Csv:
    """How a file is read. `columns` maps what a prompt has to the file's own names.

    A column is named, or numbered from 1. A concept is the row's own (column "concept"), that of the whole list, or
    the first of `strata` of which the text has a word. `kind` says what a concept is to the picture: its object, its
    style, or a hint only. Without a column of ids a row has its number; without one of seeds `draws` gives them. A
    column "draws" says how many latents are drawn from a row's seed, one "start" where they start in their place.
    lines: the file is a text a line, in which commas and quotes mean themselves; column 1 is the line.
    """

    source: Source
    columns: Mapping[str, str | int]
    kind: str = KINDS[0]
    role: Role | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)
    concept: str = ""
    strata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    header: bool = True
    lines: bool = False
    draws: Callable[[str], tuple[Draw, ...]] | None = None


def parse(data: Mapping[str, Any], beside: Path) -> Csv:
    """The [csv] table of a suite's file."""
    keys("csv", data, _KEYS)
    columns, groups = typed(data, "columns", dict), typed(data, "strata", dict, {})
    _check_columns(columns, data)
    concept = typed(data, "concept", str, "")
    if ["concept" in columns, bool(groups), bool(concept)].count(True) != 1:
        raise Refused(
            "columns",
            "a concept is a column of [csv.columns], or found by the words of [csv.strata], or `concept = ...` of all",
        )
    return Csv(
        sources.parse({k: v for k, v in data.items() if k in SOURCE_KEYS}, beside),
        columns,
        one_of(data, "kind", KINDS),
        one_of(data, "role", ROLES) if "role" in data else None,  # type: ignore[arg-type]
        _roles(data, columns),
        concept,
        {name: _stratum(name, list_) for name, list_ in groups.items()},
        typed(data, "header", bool, not typed(data, "lines", bool, False)),
        typed(data, "lines", bool, False),
        None if "seed" in columns else rule(data, "csv"),
    )


def _stratum(name: str, listed: Any) -> tuple[str, ...]:
    for word in (found := words(listed, name)):
        if strata.wordless(word):
            raise Refused(name, f"stratum {name!r}: {word!r} has no letter or digit that could be found in a text")
    return found


def _check_columns(columns: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    keys("csv.columns", columns, _COLUMNS)
    if "text" not in columns:
        raise Refused("columns", "[csv.columns] lacks 'text': the name of the column that holds it")
    if "seed" not in columns and not any(key in data for key in DRAW_KEYS):
        raise Refused(
            "columns", "[csv.columns] lacks 'seed': name the column that holds it, or say `seeds = 1` in [csv]"
        )
    if "seed" in columns and any(key in data for key in DRAW_KEYS):
        raise Refused("seeds" if "seeds" in data else "draws", "seeds are a column or a rule of [csv], not both")
    if "draws" in columns and "seed" not in columns:
        raise Refused("draws", "a column of draws says how many are drawn from a row's seed: name the column of 'seed'")
    for name, column in columns.items():
        if type(column) is not str and not (type(column) is int and column > 0):
            raise Refused(name, f"{name} is the name of a column, or its number from 1, got {column!r}")


def _roles(data: Mapping[str, Any], columns: Mapping[str, Any]) -> Mapping[str, Role]:
    """The list's own words for roles; `roles = {forget = "target"}`."""
    found = typed(data, "roles", dict, {})
    if ("roles" in data or "role" in columns) and "role" in data:
        raise Refused("role", "a role is a column of [csv.columns] or that of every row, not both")
    if found and "role" not in columns:
        raise Refused("roles", "roles are words of a column: [csv.columns] lacks 'role'")
    seen: dict[str, str] = {}
    for word, role in found.items():
        if role not in ROLES:
            raise Refused("roles", f"roles are of {', '.join(ROLES)}, got {role!r} for {word!r}")
        if not spelt(word):
            raise Refused("roles", "an empty cell has no role: that of its row follows from the concept")
        if seen.setdefault(spelt(word), role) != role:
            raise Refused("roles", f"roles say two things of {word!r}: {seen[spelt(word)]} and {role}")
    return {**{role: role for role in ROLES}, **{spelt(word): role for word, role in found.items()}}


def prompts(raw: bytes, place: Path | str, layout: Csv, *, explicit: bool) -> list[Prompt]:
    """The rows of a file; what is wrong is said with file and line, of an explicit file without its text."""
    found, seen, texts = [], dict[str, int](), Counter[str]()
    concept = _concept(layout)
    for row in rows.read(raw, place, layout.columns, header=layout.header, lines=layout.lines):
        text = row.cells["text"]
        texts[text] += 1
        again = texts[text]  # a text that comes again has other seeds, or one picture would count twice
        draws = layout.draws(f"{text}\n{again}" if again > 1 else text) if layout.draws else ()
        prompt = _prompt(row, place, layout, concept, draws, "" if explicit else "{!r}")
        if prompt.id in seen:
            raise UserError(f"{place}:{row.line}: the id {prompt.id!r} is there already, on line {seen[prompt.id]}")
        seen[prompt.id] = row.line
        found.append(prompt)
    if not found:
        raise UserError(f"{place} has no rows")
    wanted = layout.source.rows
    if wanted and len(found) != wanted:
        raise UserError(f"{place} has {len(found):,} rows, wanted {wanted:,}")
    return found


def _prompt(
    row: rows.Row,
    place: Path | str,
    layout: Csv,
    concept: Callable[[Mapping[str, str]], str],
    draws: tuple[Draw, ...],
    show: str,
) -> Prompt:
    """A row as a prompt. draws: those of its text, where no column states a seed."""

    def cell(name: str, read: Callable[[str], T], wanted: str) -> T | None:
        """None where the set has no such column or the row leaves it empty: never the value of an earlier row."""
        text = row.cells.get(name, "").strip()
        if not text:
            return None
        try:
            return read(text)
        except ValueError as error:
            got = f", got {show.format(text[:40])}" if show else ""
            raise UserError(f"{place}:{row.line}: {_called(layout.columns[name])} is {wanted}{got}") from error

    seed = cell("seed", cells.seed, f"a whole number from 0 to {bounds.MOST_SEED:,}")
    if seed is None and not layout.draws:
        raise UserError(f"{place}:{row.line}: the row has no {_called(layout.columns['seed'])}")
    of = cell("draws", cells.count, f"a whole number from 1 to {bounds.MOST_DRAWS:,}") or 1
    name = concept(row.cells)
    role = layout.role or cell("role", lambda word: _role(word, layout), f"one of {', '.join(layout.roles)}")
    for column, lacks in (("id", not row.cells["id"].strip()), ("concept", not (spelt(name) or role))):
        if lacks:
            raise UserError(f"{place}:{row.line}: the row has no {_called(layout.columns[column])}")
    return Prompt(
        id=row.cells["id"],
        text=row.cells["text"],
        concept=name,
        draws=draws or tuple(Draw(seed or 0, i, of) for i in range(of)),
        guidance=cell("guidance", cells.scale, f"a number from 0 to {bounds.MOST_GUIDANCE:g}"),
        height=cell("height", cells.side, _SIZE),
        width=cell("width", cells.side, _SIZE),
        role=role,
        shows={} if layout.kind == "hint" else {layout.kind: name},
        start=cell("start", cells.start, "the hash of a starting point, 64 digits") or "",
    )


def _role(word: str, layout: Csv) -> Role:
    if spelt(word) not in layout.roles:
        raise ValueError(word)
    return layout.roles[spelt(word)]


def _called(column: str | int) -> str:
    return column if isinstance(column, str) else f"column {column}"


def _concept(layout: Csv) -> Callable[[Mapping[str, str]], str]:
    """From the cells of a row to what it is counted under."""
    if layout.strata:
        find = strata.finder(layout.strata)
        return lambda cells: find(cells["text"])
    return lambda cells: layout.concept or cells["concept"]
