"""Every metric of a case, and its change against the original, as one long table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dumo_bench import table
from dumo_bench.report import words
from dumo_bench.report.model import VARIANT, Cell, Shown, cell, variants
from dumo_bench.summary import ROLES

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Detail:
    """A metric on a role; a number a method, and what stands below it: its interval and always its n."""

    role: str
    metric: str
    cells: tuple[tuple[str, str], ...]


def details(summary: pd.DataFrame) -> list[Detail]:
    """A row for every role and metric, with cells in the order of `variants`, from the summary of one case."""
    rows = summary[summary["concept"] == "*"]
    keys = list(variants(rows))
    found: dict[tuple[str, str], dict[tuple[Any, ...], tuple[Cell, bool | None]]] = {}
    for row in table.records(rows):
        key = tuple(row[name] for name in VARIANT)
        found.setdefault((row["role"], row["metric"]), {})[key] = cell(row), row["higher_is_better"]
    order = sorted(found, key=lambda one: (ROLES.index(one[0]), one[1]))
    return [_detail(role, metric, found[role, metric], keys) for role, metric in order]


def _detail(role: str, metric: str, by_key: dict[Any, tuple[Cell, bool | None]], keys: Sequence[Any]) -> Detail:
    higher = next(direction for _, direction in by_key.values())
    cells = tuple(by_key[key][0] if key in by_key else Cell() for key in keys)
    column = Shown(metric, metric, role, higher, 3, 0, 0, cells)
    return Detail(role, f"{metric} {words.arrow(column)}".rstrip(), tuple(_said(column, one) for one in cells))


def _said(column: Shown, one: Cell) -> tuple[str, str]:
    parts = [words.interval(column, one), words.remark(column, one) or "n=0"]
    return words.number(column, one), " ".join(part for part in parts if part)
