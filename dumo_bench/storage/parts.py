"""A part of a table is a name and its files: each write is a new file, none is replaced, and reading merges them.

So two programs that score at once lose nothing of one another, without a lock: `a.parquet` (number 0, as earlier
versions wrote it), `a~000001-3f9a0c11.parquet`, `a~000002-...`. What is in a later file counts in place of the same row
in earlier ones. Two that write at the same moment have one number and different ends: neither is lost.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

_MARK = "~"  # between a part's name and the number of a file; no part's name has it


class Rule(NamedTuple):
    """How rows of one part are told apart, and of what only the version that was written last counts."""

    row: tuple[str, ...]
    of: tuple[str, ...] = ()
    version: str = ""


RULES: Mapping[str, Rule] = {
    "scores": Rule(("prompt_id", "seed", "draw", "scorer", "metric"), ("scorer", "metric"), "scorer_version"),
    "sets": Rule(("role", "pictures", "scorer", "metric"), ("scorer", "metric"), "scorer_version"),
    "metrics": Rule(("scorer", "scorer_version", "metric")),
    "detections": Rule(("key", "detector", "order")),  # of a picture all boxes together
    "summary": Rule(()),
}
NOTHING = ""  # the label of a row that says: this picture's earlier boxes are no longer there


def stem(path: Path) -> str:
    """The part that a file is of."""
    return path.stem.partition(_MARK)[0]


def number(path: Path) -> int:
    """When it was written, among the files of its part."""
    digits = path.stem.partition(_MARK)[2].partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def paths(folder: Path, part: str = "") -> dict[str, list[Path]]:
    """The files of every part of a table, or of one, in the order in which they were written."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.parquet"), key=lambda one: (stem(one), number(one), one.name)):
        if part in ("", stem(path)):
            found.setdefault(stem(path), []).append(path)
    return found


def fresh(folder: Path, part: str) -> Path:
    """A file of a part that is not there yet; no other program has the same."""
    last = max(map(number, paths(folder, part).get(part, ())), default=0)
    return folder / f"{part}{_MARK}{last + 1:06d}-{secrets.token_hex(4)}.parquet"


def merged(name: str, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows that count of the files of one part, given in the order in which they were written."""
    import pandas as pd

    if len(frames) == 1:
        return _seen(name, frames[0])
    rule, whole = RULES[name], pd.concat(frames, ignore_index=True)
    if name == "detections":
        whole["file"] = [n for n, frame in enumerate(frames) for _ in range(len(frame))]
        last = whole.groupby(list(rule.row))["file"].transform("max")
        return _seen(name, whole[whole["file"] == last].drop(columns="file"))
    if rule.version:
        newest = whole.groupby(list(rule.of))[rule.version].transform("last")
        whole = whole[whole[rule.version] == newest]
    return whole.drop_duplicates(list(rule.row) or None, keep="last").reset_index(drop=True)


def _seen(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Without the rows that say that there is nothing."""
    return rows[rows["label"] != NOTHING].reset_index(drop=True) if name == "detections" else rows
