"""The tables of a results folder, as published numbers ask for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dumo_bench.analysis import catalogue, recognition, results, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import DetectionRate, Place
from dumo_bench.published.numbers import Published
from dumo_bench.scorers.presets import PRESETS, select
from dumo_bench.storage import table
from dumo_bench.types import Detection

if TYPE_CHECKING:
    import pandas as pd

#: what a number of ours is of; numbers that differ in one of these are never averaged
SETTING = ["suite_version", "method_version", "model", "sampling", "params", "fit_seed"]
#: a method as sources write it -> the setting of ours that it is
VARIANTS: Mapping[str, tuple[str, str]] = {
    "ESD-x": ("variant", "x"),
    "ESD-u": ("variant", "u"),
    "EAP-x": ("variant", "x"),
    "EAP-u": ("variant", "u"),
    "SLD-Medium": ("config", "medium"),
    "SLD-M": ("config", "medium"),
    "SLD-Strong": ("config", "strong"),
    "SLD-Max": ("config", "max"),
}
_BOX = ("label", "score", "x", "y", "w", "h")
_RUN = ["suite", "case", "method", *SETTING, "role"]


@dataclass(frozen=True)
class Results:
    """The tables of a results folder; a folder that is not there has none.

    `foreign`: hash -> name of models that no paper is about; what they drew is compared with nothing.
    `cases`: suite -> how many cases it has, where that is known. `settings`: method as its source writes it, and suite
    -> what it was told to be; what was told otherwise is not taken.
    """

    out: Path
    foreign: Mapping[str, str] = field(default_factory=dict)
    cases: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @cached_property
    def whole(self) -> pd.DataFrame:
        """The summary's rows of all concepts of a role together, foreign models' among them."""
        there = (self.out / "summary.parquet").exists()
        rows = summary.read(self.out) if there else table.empty("summary")
        return rows[rows["concept"] == "*"]

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The same without foreign models'."""
        return self.whole[~self.whole["model"].isin(list(self.foreign))]

    @cached_property
    def metrics(self) -> Catalogue:
        """What was measured."""
        return catalogue.of_folder(self.out)

    @cached_property
    def detection_rates(self) -> dict[Place, DetectionRate]:
        """The detection rates on unedited pictures."""
        return recognition.of_summary(self.summary, self.metrics)

    @cached_property
    def elsewhere(self) -> set[str]:
        """The suites that only foreign models were run on."""
        scores = results.scores(self.out)
        away = scores["model"].isin(list(self.foreign))
        return set(scores.loc[away, "suite"]) - set(scores.loc[~away, "suite"])

    @cached_property
    def looked_at(self) -> pd.DataFrame:
        """One row a target or attack that NudeNet (in its own channel order) was asked about and could read.

        `partial`: whether the summary knows that the suite has more of them.
        """
        scores = self._nudenet(results.scores(self.out))
        mine = scores[~scores["model"].isin(list(self.foreign)) & scores["role"].isin(["target", "attack"])]
        mine = mine[mine["value"].notna()].drop_duplicates([*_RUN, "prompt_id", "seed", "draw"])
        told = self._nudenet(self.summary[~self.summary["change"]]).drop_duplicates(_RUN)
        return mine.merge(told[[*_RUN, "partial"]], on=_RUN, how="left", validate="many_to_one")

    @cached_property
    def boxes(self) -> dict[str, list[Detection]]:
        """The boxes of each picture, by its key; a picture that lies in several parts has them once."""
        found: dict[str, list[Detection]] = {}
        for part in table.names_of_parts(self.out / "tables", "detections"):
            rows = table.read_part(self.out / "tables", "detections", part)
            mine = rows[(rows["detector"] == "nudenet") & (rows["order"] == "BGR") & ~rows["key"].isin(list(found))]
            for key, boxes in mine.groupby("key", sort=False):
                found[str(key)] = [Detection(**{name: row[name] for name in _BOX}) for row in table.records(boxes)]
        return found

    @cached_property
    def shown(self) -> dict[str, set[str]]:
        """Preset -> the pictures, by key, that show something it looks at."""
        return {
            name: {key for key, found in self.boxes.items() if select(found, preset)}
            for name, preset in PRESETS.items()
        }

    def _nudenet(self, rows: pd.DataFrame) -> pd.DataFrame:
        """NudeNet's rows in its own channel order."""
        return rows[(rows["scorer"] == "nudenet") & self.metrics.made_with(rows, "order", "BGR")]


def of(rows: pd.DataFrame, row: Published, found: Results) -> pd.DataFrame:
    """The rows that are of the suite, the method and the case of a published number; of all cases if it names none."""
    mine = rows[(rows["suite"] == row.suite) & (rows["method"] == row.name)]
    mine = mine[told(mine, row)]
    if wanted := found.settings.get((row.method, row.suite)):
        said = (json.loads(params).items() for params in mine["params"])
        mine = mine[np.array([any(one.items() <= own for one in wanted) for own in said], dtype=bool)]
    if not row.case or row.is_average:
        return mine
    return mine[mine["case"].str.lower() == row.case.lower()]


def told(rows: pd.DataFrame, row: Published) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows of a method are of the variant that a source names, (n,); all of them where it names none."""
    if row.method not in VARIANTS:
        return np.ones(len(rows), dtype=bool)
    name, value = VARIANTS[row.method]
    return np.array([json.loads(params).get(name) == value for params in rows["params"]], dtype=bool)


def setting(group: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The setting of a group: what the method was told, and what else tells it from the other rows."""
    one: dict[str, Any] = table.records(group[SETTING].head(1))[0]
    said = "" if one["params"] == "{}" else f" {one['params']}"
    said += f" seed {one['fit_seed']}" if one["fit_seed"] else ""
    others = [name for name in SETTING[:4] if rows[name].nunique() > 1]
    return said + "".join(f", {name.replace('_', ' ')} {str(one[name])[:8]}" for name in others)
