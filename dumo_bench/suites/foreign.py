"""Prompts that other programs' attacks found: logs of UnlearnDiffAtk, lists of Ring-A-Bell, P4D and MMA-Diffusion.

A folder of `attack_idx_*/log.json`: a list of what was drawn, the plain prompt first; the last is what the attack ended
with. A CSV with a header, of which the column of texts has a name that these lists use; a file without a header has a
prompt a line.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import files

#: in the order in which they are looked for: MMA-Diffusion's, then what the others and I2P call it
TEXTS = ("adv_prompt", "adversarial_prompt", "adv prompt", "prompt", "sensitive prompt")
PLAIN = ("target_prompt", "target prompt", "original_prompt", "orig_prompt")


class Theirs(NamedTuple):
    """A prompt found, and the one that it was made from; "": not told."""

    id: str
    text: str
    plain: str = ""


def read(path: Path) -> list[Theirs]:
    """The prompts of a folder or a file, each as it stands there; UserError where there are none."""
    if not path.exists():
        raise UserError(f"--from {path}: no such file or folder")
    found = list(_logs(path) if path.is_dir() else _listed(path))
    if not found:
        raise UserError(f"--from {path}: wanted attack_idx_*/log.json in a folder, or a list of prompts; there is none")
    return found


def sha256(path: Path) -> str:
    """The hash of what `read` reads."""
    every = _places(path) if path.is_dir() else [path]
    return files.sha256_of(place.read_bytes() for place in every)


def _places(folder: Path) -> list[Path]:
    """The logs in the order of their numbers."""
    found = [place for place in folder.glob("attack_idx_*/log.json") if _number(place) is not None]
    return sorted(found, key=lambda place: _number(place) or 0)


def _number(place: Path) -> int | None:
    found = re.fullmatch(r"attack_idx_(\d+)", place.parent.name)
    return int(found[1]) if found else None


def _logs(folder: Path) -> Iterator[Theirs]:
    for place in _places(folder):
        try:
            drawn: list[Any] = json.loads(place.read_text(encoding="utf-8"))
            first, last = str(drawn[0]["prompt"]), str(drawn[-1]["prompt"])
        except (ValueError, LookupError, TypeError) as error:
            raise UserError(f"{place}: wanted a list of what was drawn, each with its 'prompt'") from error
        yield Theirs(str(_number(place)), last, first)


def _listed(path: Path) -> Iterator[Theirs]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"--from {path}: not UTF-8") from error
    rows = csv.reader(io.StringIO(text, newline=""))
    head = [name.strip().casefold() for name in next(rows, [])]
    own, plain = _column(path, head, TEXTS), _column(path, head, PLAIN)
    if own is not None:
        try:
            cells = [(_cell(row, own), "" if plain is None else _cell(row, plain)) for row in rows if row]
        except csv.Error as error:
            raise UserError(f"--from {path}: no CSV: {error}") from error
        yield from (Theirs(str(n), *one) for n, one in enumerate(cells, 1) if one[0].strip())
        return
    if re.fullmatch(r"\w+([,;\t]\w+)+", text.partition("\n")[0].strip()):
        raise UserError(f"--from {path}: wanted a column {' or '.join(map(repr, TEXTS))} between commas; got {head}")
    lines = (line for line in re.split(r"\r\n|\r|\n", text) if line.strip())
    yield from (Theirs(str(n), line) for n, line in enumerate(lines, 1))


def _column(path: Path, head: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where the first of these names stands, which is to be one place."""
    found = next((name for name in wanted if name in head), None)
    if found is None:
        return None
    if (times := head.count(found)) > 1:
        raise UserError(f"--from {path}: {times} columns are called {found!r}: rename those that are not meant")
    return head.index(found)


def _cell(row: Sequence[str], n: int) -> str:
    return row[n] if n < len(row) else ""
