"""Protocol C: of every concept of a sequence what is left right after its erasure, at the end, and of what came later.

A[t, i]: the share of concept i's pictures in which it is recognised after t erasures
left      A[i, i]
at the end  A[T, i]
relapse   A[T, i] - A[i, i], of the same prompts and seeds
waiting   mean over t < i of A[t, i] - A[0, i]: what earlier erasures did to it
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.metrics import intervals
from dumo_bench.types import BASE, canonical, spelt

if TYPE_CHECKING:
    import pandas as pd

Picture: TypeAlias = tuple[str, int, int]  # prompt, seed, draw
Stage: TypeAlias = Mapping[str, Mapping[Picture, float]]  # concept -> the numbers of its pictures
#: what is the same of all stages of a sequence, and of these what its unedited pictures share with it
WHAT = ("suite", "suite_version", "model", "sampling", "method", "method_version", "params", "fit_seed")
SHARED = WHAT[:4]


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean with its 95 % interval by bootstrap over prompts, of n pictures."""

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the concept at `place` (from 1) of a sequence; None: not measured."""

    place: int
    concept: str
    before: Difference | None
    left: Difference | None
    end: Difference | None
    relapse: Difference | None
    waiting: Difference | None


@dataclass(frozen=True, slots=True)
class Sequence_:
    """A method's longest sequence in one order, by one metric. what: of `WHAT`; others: the change of what was never
    asked for."""

    what: Mapping[str, Any]
    metric: str
    erase: tuple[str, ...]
    fates: tuple[Fate, ...]
    others: Difference | None


def read(scores: pd.DataFrame, metric: str) -> list[Sequence_]:
    """Every sequence whose stages are all there: cases whose erased concepts begin one another, of two or more."""
    rows = scores[(scores["metric"] == metric) & scores["value"].notna()]
    rows = rows.assign(params=rows["params"].map({text: _settings(text) for text in rows["params"].unique()}))
    found = []
    unedited = rows[rows["method"] == REFERENCE]
    for key, own in rows[rows["method"] != REFERENCE].groupby(list(WHAT), sort=True):
        what = dict(zip(WHAT, key, strict=True))
        start = _stage(unedited[(unedited[list(SHARED)] == [what[name] for name in SHARED]).all(axis=1)])
        stages = {tuple(json.loads(str(erase))): _stage(part) for erase, part in own.groupby("erase")}
        for erase in ends(list(stages)):
            at = [start, *(stages[erase[: n + 1]] for n in range(len(erase)))]
            fates = tuple(_fate(at, n + 1, concept) for n, concept in enumerate(erase))
            found.append(Sequence_(what, metric, erase, fates, _others(at, erase)))
    return found


def scored(scores: pd.DataFrame, metric: str) -> list[str]:
    """What of the edited models is scored: method, then what was erased."""
    rows = scores[(scores["metric"] == metric) & scores["value"].notna() & (scores["method"] != REFERENCE)]
    pairs = sorted({(str(m), str(e)) for m, e in zip(rows["method"], rows["erase"], strict=True)})
    return [f"{method}: {', '.join(json.loads(erase))}" for method, erase in pairs]


def _settings(params: str) -> str:
    """A method's settings without the edit that a stage is on, in which the stages of a sequence differ."""
    return canonical({name: value for name, value in json.loads(params).items() if name != BASE})


def ends(erased: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    """The sequences of two or more of which every beginning is there and no continuation."""
    known = set(erased)
    for one in erased:
        whole = all(one[:n] in known for n in range(1, len(one)))
        if len(one) > 1 and whole and not any(other[: len(one)] == one for other in known - {one}):
            yield one


def _stage(rows: pd.DataFrame) -> Stage:
    found: dict[str, dict[Picture, float]] = {}
    columns = (rows[name] for name in ("concept", "prompt_id", "seed", "draw", "value"))
    for concept, prompt, seed, draw, value in zip(*columns, strict=True):
        found.setdefault(spelt(str(concept)), {})[prompt, seed, draw] = float(value)
    return found


def _fate(at: Sequence[Stage], place: int, concept: str) -> Fate:
    own = [stage.get(spelt(concept), {}) for stage in at]
    last, then = own[-1], own[place]
    early = own[1:place]
    known = set(own[0]).intersection(*early) if early else set()
    waited = {k: float(np.mean([one[k] for one in early])) for k in sorted(known)}
    return Fate(
        place, concept, mean(own[0]), mean(then), mean(last), _difference(last, then), _difference(waited, own[0])
    )


def _others(at: Sequence[Stage], erase: Sequence[str]) -> Difference | None:
    gone = {spelt(concept) for concept in erase}
    first, last = (
        {k: v for concept, of in stage.items() if concept not in gone for k, v in of.items()}
        for stage in (at[0], at[-1])
    )
    return _difference(last, first)


def mean(of: Mapping[Picture, float]) -> Difference | None:
    """The mean of pictures."""
    return _of(of, yes_no=all(v in (0.0, 1.0) for v in of.values()))


def _difference(a: Mapping[Picture, float], b: Mapping[Picture, float]) -> Difference | None:
    return _of({k: a[k] - b[k] for k in a if k in b}, yes_no=False)


def _of(values: Mapping[Picture, Any], *, yes_no: bool) -> Difference | None:
    if not values:
        return None
    prompts = {prompt: n for n, prompt in enumerate(dict.fromkeys(k[0] for k in values))}
    clusters = np.array([prompts[k[0]] for k in values])
    made = intervals.of_mean(np.array([*values.values()], dtype=float), clusters, yes_no=yes_no)
    return Difference(float(np.mean([*values.values()])), made.low, made.high, len(values))


def rows(found: Sequence[Sequence_]) -> list[dict[str, Any]]:
    """A row for each concept, and one for what was never asked for (place 0): each number with its interval."""
    made = []
    for one in found:
        of = {**one.what, "metric": one.metric, "order": " > ".join(one.erase)}
        for fate in one.fates:
            numbers = {name: getattr(fate, name) for name in NUMBERS}
            n = fate.end.n if fate.end else 0
            made.append({**of, "place": fate.place, "concept": fate.concept, "n": n, **_flat(numbers)})
        if one.others:
            kept = dict.fromkeys(NUMBERS) | {"relapse": None, "waiting": one.others}
            made.append({**of, "place": 0, "concept": "all others", "n": one.others.n, **_flat(kept)})
    return made


NUMBERS = ("before", "left", "end", "relapse", "waiting")
REASONS = {
    f"{name}{end}": "it does not apply to this row, no picture of it is measured, or its interval has no spread"
    for name in NUMBERS
    for end in ("", "_low", "_high")
}


def _flat(numbers: Mapping[str, Difference | None]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for name, one in numbers.items():
        found |= {name: one.value if one else None, f"{name}_low": one.low if one else None}
        found[f"{name}_high"] = one.high if one else None
    return found
