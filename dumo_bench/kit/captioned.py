"""A folder of pictures and what they show, in the layout that fine-tuning scripts take (Hugging Face's `imagefolder`).

`metadata.jsonl` or `metadata.csv` stands beside the pictures, with a `file_name` and a `text` for each.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import files

if TYPE_CHECKING:
    from torch import Tensor

NAMES = ("metadata.jsonl", "metadata.csv")


class Captioned(NamedTuple):
    """A picture's file and its caption."""

    path: Path
    text: str


def read(folder: Path) -> list[Captioned]:
    """The pictures that the folder's list names, in its order; none, or one that is not there, is a UserError."""
    listed = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if listed is None:
        raise UserError(
            f"{folder}: wanted a folder of pictures with {' or '.join(NAMES)} beside them, each line with a file_name "
            "and a text; found none"
        )
    found = [_row(listed, number, row) for number, row in enumerate(_rows(listed), 1)]
    if not found:
        raise UserError(f"{listed} names no picture")
    return found


def identity(rows: Sequence[Captioned]) -> str:
    """The hash (16 hex) of the pictures' bytes and captions in their order, wherever they lie."""
    parts = (f"{files.fingerprint(row.path)} {row.text}\n".encode() for row in rows)
    return files.sha256_of(parts)[:16]


def pixels(rows: Sequence[Captioned], side: int) -> Tensor:
    """(n, side, side, 3) uint8: the middle square of each as scorers see it, resized."""
    import numpy as np
    import torch
    from PIL import Image, ImageOps

    from dumo_bench.scorers import pictures

    squares = []
    for row, found in zip(rows, pictures.read_all([row.path for row in rows]), strict=True):
        if isinstance(found, str):
            raise UserError(f"{row.path} is no picture to learn from: {found}")
        squares.append(np.asarray(ImageOps.fit(Image.fromarray(found), (side, side), Image.Resampling.LANCZOS)))
    return torch.from_numpy(np.stack(squares))


def _rows(listed: Path) -> Iterator[Mapping[str, Any]]:
    try:
        lines = io.StringIO(listed.read_bytes().decode("utf-8-sig"), newline="")
        if listed.suffix == ".csv":
            yield from csv.DictReader(lines)
        else:
            yield from (json.loads(line) for line in lines if line.strip())
    except (ValueError, csv.Error) as error:
        raise UserError(f"{listed} cannot be read: {error}") from error


def _row(listed: Path, number: int, row: Any) -> Captioned:
    name, text = (row.get(key) if isinstance(row, dict) else None for key in ("file_name", "text"))
    if not isinstance(name, str) or not name or not isinstance(text, str):
        raise UserError(f"{listed}, row {number}: wanted a file_name and a text, both strings; found {row!r:.80}")
    path = listed.parent / name
    if not path.is_file():
        raise UserError(f"{listed}, row {number}: there is no file {name!r} in {listed.parent}")
    return Captioned(path, text)
