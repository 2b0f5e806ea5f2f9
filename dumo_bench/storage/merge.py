"""Several results folders as one: their tables and manifests, so that what labs have measured stands in one report.

Reading a folder is the merge, so files of tables are only brought together. Where two folders measured one picture and
metric, the later folder's row counts; how many of these differ is said, for one recipe on two machines need not give
the same pictures.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import files, parts, scan
from dumo_bench.types import canonical

EQUAL = 1e-6  # values that differ by less differ by rounding


class Merged(NamedTuple):
    """How many files there are; of the scores that two folders have, how many differ, and how many these are."""

    files: int
    differ: int
    twice: int


def merge(folders: Sequence[Path], to: Path) -> Merged:
    """Copy tables and manifests into an empty folder; `run`'s pictures and edits stay where they are."""
    for folder in folders:
        if not (folder / "tables").is_dir():
            raise UserError(f"{folder} holds no tables: wanted a results folder")
    differ = twice = 0
    for n, folder in enumerate(folders):
        if n:
            both = _both(to, folder)
            differ, twice = differ + both[0], twice + both[1]
        _add(folder, to)
    return Merged(sum(path.is_file() for path in to.rglob("*")), differ, twice)


def _add(folder: Path, to: Path) -> None:
    for path in sorted(folder.glob("tables/*/*.parquet")):
        place = to / path.relative_to(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and files.sha256(place) == files.sha256(path):
            continue
        there = bool(parts.paths(place.parent, parts.stem(path)))
        shutil.copyfile(path, parts.fresh(place.parent, parts.stem(path)) if there else place)
    for path in sorted(folder.glob("runs/*.json")):
        _add_run(path, to / "runs" / path.name)


def _add_run(path: Path, place: Path) -> None:
    """A manifest; of one request that both folders had, the runs of both."""
    said = _read(path)
    if place.exists():
        before = _read(place)
        said = before | said | {name: _joined(before, said, name) for name in ("runs", "scorers")}
        said |= {"edits": before["edits"] | said.get("edits", {})} if "edits" in before else {}
    files.write_text(place, json.dumps(said, indent=1, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON ({error}): `dumo-bench store verify` says what to type") from error
    if not isinstance(said, dict):
        raise UserError(f"{path} is no manifest: `dumo-bench store verify` says what to type")
    return said


def _joined(before: dict[str, Any], said: dict[str, Any], name: str) -> list[Any]:
    """Both lists, what is equal once."""
    every = [*before.get(name, ()), *said.get(name, ())]
    return list({canonical(one): one for one in every}.values())


def _both(ours: Path, theirs: Path) -> tuple[int, int]:
    """Of the scores of one picture by one version of a metric that two folders have: how many differ, how many."""
    import polars as pl

    rule = parts.RULES["scores"]
    on = ["key", "case", *rule.row, rule.version]
    a, b = (scan.read(folder / "tables", "scores", [*on, "value"]) for folder in (ours, theirs))
    both = a.join(b.rename({"value": "other"}), on=on, how="inner")
    apart = (pl.col("value") - pl.col("other")).abs() > EQUAL
    alike = ~apart.fill_null(value=False) & (pl.col("value").is_null() == pl.col("other").is_null())
    return len(both.filter(~alike)), len(both)
