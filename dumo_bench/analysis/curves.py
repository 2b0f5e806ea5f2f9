"""Numbers over steps of relearning: for each fine-tuned edit, how much of the concept is there at every mark."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
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
    """The marks of one fine-tuned edit, by steps. told: its settings, `of` the method that was edited with. about:
    versions, model and contract. apart: what else tells it from others that would be called the same, in words."""

    suite: str
    case: str
    role: str
    metric: str
    title: str
    fit_seed: int
    told: Mapping[str, Any]
    marks: tuple[Mark, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    apart: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """All but the marks."""
        return canonical([*self.of_what, self.fit_seed, dict(self.told), dict(self.about)])

    @property
    def of_what(self) -> tuple[str, ...]:
        """What it is measured on and by."""
        return self.suite, self.case, self.role, self.metric

    @property
    def of(self) -> str:
        return str(self.told["of"])

    @property
    def label(self) -> str:
        """The edit's method, with its settings, and how it was fine-tuned."""
        how = [*self.told.get("of_set", ()), str(self.told["what"]), *(f"seed {self.fit_seed}" * bool(self.fit_seed),)]
        how += [str(self.told[name]) for name, usual in USUAL.items() if self.told.get(name, usual) != usual]
        how += self.apart
        return f"{self.of} ({', '.join(filter(None, how))})"


#: what marks of one curve have in common beside settings, each with its word in a label
ABOUT = {"suite_version": "suite version", "method_version": "version", "model": "model", "sampling": "contract"}
USUAL = {"compose": "sequential", "data": "others", "tune_seed": 0}


def control(curve: Curve, among: Sequence[Curve]) -> Curve | None:
    """The unedited model's curve, fine-tuned in the same way on the same pictures; None of itself, or if not made."""
    if curve.of == REFERENCE:
        return None
    return next((one for one in among if one.of == REFERENCE and _way(one) == _way(curve)), None)


def _way(curve: Curve) -> tuple[Any, ...]:
    """What a curve and its control have in common."""
    told = {k: v for k, v in curve.told.items() if k not in ("of", "of_set", "compose")}
    return *curve.of_what, canonical(told), canonical(dict(curve.about))


def half(curve: Curve, unedited: Curve) -> int | None:
    """The first mark at which the curve is at half its control's number or above; None: at none."""
    there = {mark.steps: mark.value for mark in unedited.marks}
    back = (m.steps for m in curve.marks if m.value is not None and m.value >= (there.get(m.steps) or 2.0) / 2)
    return next(back, None)


def gap(curve: Curve, unedited: Curve) -> float | None:
    """The area between a curve and its control over the marks of both, by the trapezoid rule, as a share of that under
    the control; None: one mark, or a control that shows nothing.

    It is how much of the concept is missing while the model is fine-tuned: all (1), or no more than in the control (0).
    """
    there = {mark.steps: mark.value for mark in unedited.marks}
    both = [
        (m.steps, m.value, other)
        for m in curve.marks
        if m.value is not None and (other := there.get(m.steps)) is not None
    ]
    whole = _area([(steps, other) for steps, _, other in both])
    return 1 - _area([(steps, value) for steps, value, _ in both]) / whole if whole > 0 else None


def _area(points: Sequence[tuple[int, float]]) -> float:
    """Under a line through points, by the trapezoid rule."""
    return sum((b - a) * (y + x) / 2 for (a, x), (b, y) in pairwise(points))


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
        curve = Curve(**what, title=metric.header, told=told, about={name: row[name] for name in ABOUT})
        found.setdefault(curve.key, (curve, []))[1].append(mark)
    every = [replace(curve, marks=tuple(sorted(marks, key=attrgetter("steps")))) for curve, marks in found.values()]
    return sorted((replace(one, apart=_apart(one, every)) for one in every), key=lambda curve: curve.key)


def _apart(curve: Curve, among: Sequence[Curve]) -> tuple[str, ...]:
    """Settings, versions, model and contract in which curves differ that are called the same."""
    alike = [one for one in among if (one.of_what, one.label) == (curve.of_what, curve.label)]
    settings = sorted({name for one in alike for name in one.told})
    found = [
        f"{name}={curve.told.get(name)}" for name in settings if len({str(one.told.get(name)) for one in alike}) > 1
    ]
    differing = [name for name in ABOUT if len({one.about[name] for one in alike}) > 1]
    return *found, *(f"{ABOUT[name]} {str(curve.about[name])[:12]}" for name in differing)


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
    "gap": "there is no control, or it shows nothing; one mark alone; or it is to be kept",
}
