"""Every metric of a case and its change against the original, and every concept, as two long tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dumo_bench.analysis import recognition
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE, needs_detection_rate
from dumo_bench.analysis.summary import ROLES
from dumo_bench.report import captions
from dumo_bench.report.cells import Cell, Shown, cell
from dumo_bench.report.variants import VARIANT, Key, Label, variants
from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Detail:
    """A metric on a role; a number a method, what stands below it (interval, always n), and whether it is unreliable.

    Of one concept, or of all of the role.
    """

    role: str
    metric: str
    cells: tuple[tuple[str, str, bool], ...]
    concept: str = "*"


def details(summary: pd.DataFrame, metrics: Catalogue) -> list[Detail]:
    """A row for every role and metric, with cells in the order of `variants`, from the summary of one case."""
    return _details(summary, summary[summary["concept"] == "*"], metrics)


def concepts(summary: pd.DataFrame, metrics: Catalogue) -> list[Detail]:
    """A row for every concept and rate of recognition, with cells in the order of `variants`."""
    both = zip(summary["metric"], summary["role"], strict=True)
    asked = np.array([needs_detection_rate(metrics.named(name).metric, role) for name, role in both], dtype=bool)
    return _details(summary, summary[(summary["concept"] != "*") & ~summary["change"] & asked], metrics)


def heads(labels: Mapping[Key, Label]) -> list[str]:
    """What stands above the cells of concepts, from the labels of `variants`."""
    unedited = "recognised on the unedited model"
    return [str(replace(one, method=unedited) if one.method == REFERENCE else one) for one in labels.values()]


def _details(summary: pd.DataFrame, rows: pd.DataFrame, metrics: Catalogue) -> list[Detail]:
    keys, known = list(variants(summary[summary["concept"] == "*"])), recognition.of_summary(summary, metrics)
    found: dict[tuple[str, str, str], dict[tuple[Any, ...], tuple[Cell, bool | None]]] = {}
    for row in table.records(rows):
        key = tuple(row[name] for name in VARIANT)
        what = row["role"], row["metric"], row["concept"]
        found.setdefault(what, {})[key] = cell(row, known, metrics), row["higher_is_better"]
    order = sorted(found, key=lambda one: (ROLES.index(one[0]), one[1:]))
    return [_detail(what, found[what], keys) for what in order]


def _detail(what: tuple[str, str, str], by_key: dict[Any, tuple[Cell, bool | None]], keys: Sequence[Any]) -> Detail:
    role, metric, concept = what
    higher = next(direction for _, direction in by_key.values())
    cells = tuple(by_key[key][0] if key in by_key else Cell() for key in keys)
    column = Shown(metric, metric, role, higher, 3, 0, 0, cells)
    said = tuple(_said(column, one) for one in cells)
    return Detail(role, f"{metric} {captions.arrow(column)}".rstrip(), said, concept)


def _said(column: Shown, one: Cell) -> tuple[str, str, bool]:
    parts = [captions.interval(column, one), captions.remark(column, one) or "n=0"]
    return captions.number(column, one), " ".join(part for part in parts if part), one.unreliable
