"""The table of metrics: what each scorer said of its numbers when it measured them, so that they outlive it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dumo_bench.errors import UserError
from dumo_bench.storage import table, version1
from dumo_bench.types import Metric, canonical, digest

if TYPE_CHECKING:
    import pandas as pd

Key: TypeAlias = tuple[str, str, str]  # scorer, its version, metric
_FIELDS = [field.name for field in fields(Metric) if field.name not in ("name", "convention")]


class Declared(NamedTuple):
    """A metric with the scorer that gives it."""

    scorer: str
    version: str
    metric: Metric
    source: str = ""

    @property
    def key(self) -> Key:
        return self.scorer, self.version, self.metric.name


def write(tables: Path, declared: Iterable[Declared]) -> None:
    """Keep what scorers say of their metrics, one part a scorer and version; what was said of others earlier stays."""
    known = read(tables)
    parts: dict[tuple[str, str], list[Declared]] = {}
    for one in declared:
        parts.setdefault((one.scorer, one.version), []).append(one)
    for of, members in parts.items():
        name = re.sub(r"[^A-Za-z0-9+._-]+", "_", "-".join(of))
        earlier = {key: one for key, one in known.items() if key[:2] == of}
        whole = {**earlier, **{one.key: one for one in members}}
        if whole != earlier:
            table.add(tables, "metrics", f"{name}-{digest(of)[:8]}", [_row(one) for one in whole.values()])


def read(tables: Path) -> Mapping[Key, Declared]:
    """Every metric that was declared in a results folder."""
    found = (_declared(row) for row in table.records(table.read(tables, "metrics")))
    return {one.key: one for one in found}


def owners(tables: Path) -> dict[str, str]:
    """The scorer of every metric that was measured into a results folder, whatever was declared."""
    return {metric: scorer for name in ("scores", "sets") for scorer, metric in table.pairs(tables, name)}


def of_rows(rows: pd.DataFrame, known: Mapping[Key, Declared]) -> list[Declared]:
    """The metrics of these rows of scores or sets; one that nobody declared says no more than its name."""
    keys = rows[["scorer", "scorer_version", "metric"]].drop_duplicates().itertuples(index=False, name=None)
    return [known.get((s, v, m)) or _undeclared(s, v, m) for s, v, m in sorted(keys)]


def _undeclared(scorer: str, version: str, name: str) -> Declared:
    return Declared(scorer, version, version1.metric(scorer, name) or Metric(name, "", "neither"))


def _row(one: Declared) -> dict[str, Any]:
    about = {name: value for name, value in asdict(one.metric).items() if name in _FIELDS}
    where = {"scorer": one.scorer, "scorer_version": one.version, "metric": one.metric.name, "source": one.source}
    return {**where, **about, "convention": canonical(one.metric.convention)}


def _declared(row: Mapping[str, Any]) -> Declared:
    about = {name: row[name] for name in _FIELDS}
    try:
        metric = Metric(row["metric"], **about, convention=json.loads(row["convention"]))
    except ValueError as error:
        raise UserError(f"the table of metrics is odd: {error}; delete tables/metrics and score again") from error
    return Declared(row["scorer"], row["scorer_version"], metric, row["source"])
