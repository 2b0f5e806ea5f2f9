"""What a command prints for other programs: one JSON object of one schema, and nothing else on stdout.

    {"schema": 1, "command": "compare", "version": "0.1.0", "tables": {"differences": [{"p": null, ...}], ...}}

A table is a list of rows, a row an object. Where a value is null, the object that it is in has `reasons`, which says
of each such key why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from dumo_bench import __version__, texts
from dumo_bench.cli import show

SCHEMA = 1
REASONS = "reasons"
NONE = "there is none of this row"
Rows: TypeAlias = Iterable[Mapping[str, Any]]


def emit(command: str, tables: Mapping[str, Rows], why: Mapping[str, str] | None = None) -> None:
    """Print the tables of a command; `why`: for each key, why it is null where its row does not say so itself."""
    found = {name: [explained(row, why or {}) for row in rows] for name, rows in tables.items()}
    whole = {"schema": SCHEMA, "command": command, "version": __version__, "tables": found}
    show.echo(texts.json(whole))


def explained(value: Any, why: Mapping[str, str]) -> Any:
    """A value as JSON has it, with the reason of every null beside it."""
    if isinstance(value, Mapping):
        told = value.get(REASONS) or {}
        found = {str(key): explained(one, why) for key, one in value.items() if key != REASONS}
        reasons = {key: told.get(key) or why.get(key) or NONE for key, one in found.items() if one is None}
        return found | ({REASONS: reasons} if reasons else {})
    if isinstance(value, (list, tuple, set, frozenset)):
        return [explained(one, why) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def paths(found: Iterable[Path]) -> Sequence[Mapping[str, str]]:
    """Files as rows."""
    return [{"path": str(path)} for path in found]
