"""Numbers over steps of relearning: for each fine-tuned edit, how much of the concept is there at every mark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.storage import table
from dumo_bench.types import BASE, SHOWN, Measures, canonical

if TYPE_CHECKING:
    import pandas as pd

METHOD, OVER = "relearn", "steps"
#: role -> what a rate of it measures that is drawn: is the erased concept there, is what else was asked for
SHOWN_OF: Mapping[str, tuple[Measures, ...]] = {"target": ("erased", "present"), "kept": ("asked",)}


@dataclass(frozen=True, slots=True)
class Mark:
    """A number after so many steps, with its 95 % interval, of n pictures; None where it was not measured."""

    steps: int
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Curve:
    """The marks of one fine-tuned edit, by steps. told: its settings, `of` the method that was edited with."""

    suite: str
    case: str
    role: str
    metric: str
    title: str
    fit_seed: int
    told: Mapping[str, Any]
    marks: tuple[Mark, ...] = ()

    @property
    def key(self) -> str:
        """All but the marks."""
        return canonical([self.suite, self.case, self.role, self.metric, self.fit_seed, dict(self.told)])

    @property
    def of(self) -> str:
        return str(self.told["of"])

    @property
    def label(self) -> str:
        """The edit's method, with its settings, and how it was fine-tuned."""
        how = [*self.told.get("of_set", ()), str(self.told["what"]), *(f"seed {self.fit_seed}" * bool(self.fit_seed),)]
        how += [str(self.told[name]) for name, usual in USUAL.items() if self.told.get(name, usual) != usual]
        return f"{self.of} ({', '.join(filter(None, how))})"


USUAL = {"compose": "sequential", "data": "others", "tune_seed": 0}


def control(curve: Curve, among: Sequence[Curve]) -> Curve | None:
    """The unedited model's curve, fine-tuned in the same way on the same pictures; None of itself, or if not made."""
    if curve.of == REFERENCE:
        return None
    return next((one for one in among if one.of == REFERENCE and _way(one) == _way(curve)), None)


def _way(curve: Curve) -> tuple[Any, ...]:
    """What a curve and its control have in common."""
    told = {k: v for k, v in curve.told.items() if k not in ("of", "of_set", "compose")}
    return curve.suite, curve.case, curve.role, curve.metric, canonical(told)


def half(curve: Curve, unedited: Curve) -> int | None:
    """The first mark at which the curve is at half its control's number or above; None: at none."""
    there = {mark.steps: mark.value for mark in unedited.marks}
    back = (m.steps for m in curve.marks if m.value is not None and m.value >= (there.get(m.steps) or 2.0) / 2)
    return next(back, None)


def gap(curve: Curve, unedited: Curve) -> float | None:
    """The area between a curve and its control over the marks of both, by the trapezoid rule, a step; None: one mark.

    It is the mean of what is still missing of the concept while the model is fine-tuned.
    """
    there = {mark.steps: mark.value for mark in unedited.marks}
    points = [
        (m.steps, other - m.value)
        for m in curve.marks
        if m.value is not None and (other := there.get(m.steps)) is not None
    ]
    if len(points) < 2:
        return None
    area = sum((b - a) * (y + x) / 2 for (a, x), (b, y) in pairwise(points))
    return area / (points[-1][0] - points[0][0])


def read(summary: pd.DataFrame, known: Catalogue) -> list[Curve]:
    """The curves of a summary: of what is recognised, on prompts whose concept was erased and on those to be kept."""
    rows = summary[
        (summary["method"] == METHOD) & summary["role"].isin(list(SHOWN_OF)) & ~summary["change"].astype(bool)
    ]
    found: dict[str, tuple[Curve, list[Mark]]] = {}
    for row in table.records(rows[rows["concept"] == "*"]):
        metric = known.of(row).metric
        if metric.kind != "rate" or metric.measures not in SHOWN_OF[row["role"]]:
            continue
        told = {k: v for k, v in json.loads(row["params"]).items() if v is not None and k not in (SHOWN, BASE)}
        mark = Mark(int(told.pop(OVER)), row["value"], row["low"], row["high"], int(row["n"]))
        what = {name: row[name] for name in ("suite", "case", "role", "metric", "fit_seed")}
        curve = Curve(**what, title=metric.header, told=told)
        found.setdefault(curve.key, (curve, []))[1].append(mark)
    every = [replace(curve, marks=tuple(sorted(marks, key=attrgetter("steps")))) for curve, marks in found.values()]
    return sorted(every, key=lambda curve: curve.key)


def rows(found: Sequence[Curve]) -> list[dict[str, Any]]:
    """A row a mark, with its control's number, and the curve's `half` and `gap`."""
    made = []
    for curve in found:
        unedited = control(curve, found)
        there = {mark.steps: mark.value for mark in unedited.marks} if unedited else {}
        whole: dict[str, float | None] = {"half": None, "gap": None}
        if unedited and curve.role == "target":
            whole = {"half": half(curve, unedited), "gap": gap(curve, unedited)}
        what = {name: getattr(curve, name) for name in ("suite", "case", "role", "metric", "label", "of", "fit_seed")}
        made += [{**what, **asdict(mark), "control": there.get(mark.steps), **whole} for mark in curve.marks]
    return made


REASONS = {
    "value": "not measured",
    "low": "not measured",
    "high": "not measured",
    "control": "the unedited model was not fine-tuned in this way, or this is it",
    "half": "no mark has half of what its control has, there is no control, or it is to be kept",
    "gap": "there is no control, one mark alone, or it is to be kept",
}
