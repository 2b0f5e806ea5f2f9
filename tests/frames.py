"""Rows of tables for tests, written short: what a row does not say is filled in, its metrics are this project's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from dumo_bench.analysis import catalogue
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.storage import metrics, table, version1

OWNERS = (
    ("judge.*", "concept"), ("judge2.*", "judge2"),
    ("clip.*.accuracy*", "clip_accuracy"), ("clip.*.erased*", "clip_accuracy"),
    ("clip.*", "clip_score"), ("style.*", "style_classifier"), ("lpips*", "lpips"), ("fid.clean.*", "fid_clean"),
    ("fid.torchmetrics.*", "fid_torchmetrics"), ("fid.*", "fid"), ("kid.clean.*", "kid_clean"), ("kid.*", "kid"),
    ("diversity.*", "likeness"), ("real_distance.*", "likeness"), ("nudenet.*", "nudenet"), ("blank", "blank"),
)  # fmt: skip


def owner(metric: str) -> str:
    """The scorer that gives a metric."""
    return next((scorer for pattern, scorer in OWNERS if fnmatchcase(metric, pattern)), "stranger")


def filled(name: str, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a table with everything that they leave out."""
    return [_filled(name, row) for row in rows]


def _filled(name: str, row: Mapping[str, Any]) -> dict[str, Any]:
    if name not in ("scores", "sets", "summary"):
        return dict(row)
    whole = {"scorer_version": "1", "note": "", **row}
    if "scorer" not in row or row["scorer"] == "concept":
        whole["scorer"] = owner(whole["metric"])
    if name != "summary":
        whole.setdefault("batch", None)
    missing = {column: make for column, make in version1._NEW.get(name, {}).items() if column not in whole}
    return whole | {column: make(whole) for column, make in missing.items()}


def frame(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    return table.frame(name, filled(name, rows))


def write(folder: Path, name: str, part: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table.write_part(folder, name, part, filled(name, rows))


def known(*tables: pd.DataFrame) -> Catalogue:
    """The catalogue of the metrics of some rows."""
    return catalogue.of_declared(one for rows in tables for one in metrics.of_rows(rows, {}))


def named(*names: str) -> Catalogue:
    """The catalogue of some of this project's metrics."""
    return known(pd.DataFrame([{"scorer": owner(name), "scorer_version": "1", "metric": name} for name in names]))
