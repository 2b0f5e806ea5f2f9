"""Where the pictures and edits of a results folder lie that a report shows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.storage import copies, remote, scan, table
from dumo_bench.types import Recipe

if TYPE_CHECKING:
    import polars as pl


def image(out: Path, key: str) -> Path:
    """Where a picture lies in a results folder."""
    return out / "images" / key[:2] / f"{key}.png"


def own(out: Path, key: str) -> Path | None:
    """A picture of the folder; None for a key that is none, and for a link out of the folder's pictures."""
    if not re.fullmatch(r"[0-9a-f]{64}", key):
        return None
    path = copies.local(image(out, key))
    within = remote.far(out) or path.resolve().is_relative_to((out / "images").resolve())
    return path if path.is_file() and within else None


def recipes(scores: pl.DataFrame) -> dict[str, Recipe]:
    """Label -> recipe of every edit among these rows."""
    found, firsts = {}, scan.to_frame(scores.unique(VARIANT, keep="first", maintain_order=True))
    rows = {tuple(row[name] for name in VARIANT): row for row in table.records(firsts)}
    for key, label in variants(firsts).items():
        row = rows[key]
        if row["edit"]:
            what = json.loads(row["params"]), tuple(json.loads(row["erase"]))
            found[str(label)] = Recipe(row["method"], row["method_version"], *what, row["fit_seed"], row["model"])
    return found
