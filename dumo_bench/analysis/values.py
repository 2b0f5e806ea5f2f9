"""The values of a case side by side: each picture once, and beside it what every eraser has there, by metric.

What is tested pair by pair is read from it: a pair is a place in two arrays, so no table is joined with another, and a
score takes nine bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dumo_bench.analysis import derived, pairs
from dumo_bench.analysis.derived import Number, Part
from dumo_bench.analysis.pairs import CASE, Key, Measured
from dumo_bench.analysis.scores import Scores
from dumo_bench.types import SETS, spelt

if TYPE_CHECKING:
    import polars as pl

    from dumo_bench.metrics.intervals import Floats, Whole

Kin: TypeAlias = tuple[Any, ...]  # what the fits of one method have in common: one eraser
Scored: TypeAlias = tuple[str, str, str]  # metric, scorer, its version
PICTURE = ["role", "concept", "prompt_id", "seed", "draw"]
_SCORED = ["metric", "scorer", "scorer_version"]


class Column(NamedTuple):
    """Of each picture (n,): its value, NaN where there is none, and whether one was tried."""

    values: Floats
    tried: NDArray[np.bool_]


class Both(NamedTuple):
    """Pictures that two erasers tried: the values of each, NaN where there is none, and the pictures' places."""

    a: Floats
    b: Floats
    at: Whole

    @property
    def measured(self) -> Both:
        there = ~(np.isnan(self.a) | np.isnan(self.b))
        return Both(self.a[there], self.b[there], self.at[there])


@dataclass(frozen=True)
class Values:
    """The values of a case. about: its suite, version and name; erase: what it erases, canonical JSON.

    pictures: each once, in the order of `PICTURE`; of: by eraser and metric, of several fits the mean, as in `pairs`.
    """

    about: tuple[str, int, str]
    erase: str
    pictures: pl.DataFrame
    of: Mapping[Kin, Mapping[Scored, Column]]

    def concept(self, name: str) -> Values:
        """Those of a concept, as a case of its own."""
        mine = (self.pictures["concept"] == name).to_numpy()
        of = {kin: {key: Column(*(x[mine] for x in one)) for key, one in own.items()} for kin, own in self.of.items()}
        return Values((*self.about[:2], name), self.erase, self.pictures.filter(mine), of)

    def measured(
        self, sides: Sequence[tuple[Kin, Kin]], wanted: Collection[Key], numbers: Sequence[Number]
    ) -> Iterator[Iterator[Measured]]:
        """Of each two sides the metrics and roles that are wanted, measured ones first, then numbers made of them."""
        if not sides:
            return
        made = [number for number in numbers if (number.metric.name, number.role) in wanted]
        parts = {part: self._of_part(part) for number in made for part in number.parts}
        rest = {key[::-1] for key in wanted} - {(number.role, number.metric.name) for number in numbers}
        places = {role: self._of_role(role) for role, _ in rest}
        plain = [((metric, role), places[role]) for role, metric in sorted(rest)]
        for a, b in sides:
            yield self._side(a, b, plain, [(one, [parts[part] for part in one.parts]) for one in made])

    def _side(
        self, a: Kin, b: Kin, plain: Sequence[tuple[Key, Whole]], made: Sequence[tuple[Number, Sequence[Whole]]]
    ) -> Iterator[Measured]:
        for (metric, role), places in plain:
            both = self._both(a, b, metric, places)
            if len(both.at):
                yield self._measured(role, metric, [both])
        for number, places_of in made:
            every = [self._both(a, b, part.metric, of) for part, of in zip(number.parts, places_of, strict=True)]
            if len(every) > 1 and all(len(both.at) for both in every):  # one part says it for itself
                yield self._measured(number.role, number.metric.name, every, number)

    def _measured(self, role: str, metric: str, every: Sequence[Both], number: Number | None = None) -> Measured:
        import pandas as pd

        there = [both.measured for both in every]
        sizes = [len(both.at) for both in there]
        n, ends = sum(sizes), np.cumsum(sizes)[:-1]
        clusters = pd.factorize(self._prompts[np.concatenate([both.at for both in there])])[0].astype(np.int64)
        split = [(a, b, own) for (a, b, _), own in zip(there, np.split(clusters, ends), strict=True)]
        missing = sum(len(both.at) for both in every) - n
        return Measured((*self.about, role, metric), split if all(sizes) else [], n, missing, number)

    @property
    def _prompts(self) -> Whole:
        return self.pictures["prompt_id"].to_physical().to_numpy()

    def _of_role(self, role: str) -> Whole:
        """The places of a role's pictures; of those of several by concept, whatever the role."""
        own = self.pictures.with_row_index("at").filter(self.pictures["role"].is_in(list(SETS.get(role, (role,)))))
        return (own.sort(PICTURE[1:]) if role == pairs.KEPT else own)["at"].to_numpy()

    def _of_part(self, part: Part) -> Whole:
        """The places of what a number's part is over."""
        gone = set(map(spelt, json.loads(self.erase)))
        return derived.over(part, self.pictures.with_row_index("at"), gone)["at"].to_numpy()

    def _both(self, a: Kin, b: Kin, metric: str, places: Whole) -> Both:
        """Of some places those that both tried; with another version of a scorer nothing is compared."""
        found = []
        for key in sorted(key for key in self.of[a].keys() & self.of[b].keys() if key[0] == metric):
            one, other = self.of[a][key], self.of[b][key]
            at = places[one.tried[places] & other.tried[places]]
            found.append(Both(one.values[at], other.values[at], at))
        return Both(*map(np.concatenate, zip(*found, strict=True))) if found else Both(*np.empty((3, 0)))


def of_case(scores: Scores, about: tuple[str, int, str], kin: Sequence[str], wanted: Collection[Kin]) -> Values:
    """The values of a case: of the erasers, told apart by the columns `kin`, that are wanted and there."""
    import polars as pl

    index = scores.of_case(*about)
    erased = [erase for erase in index["erase"].cast(pl.String) if erase != "[]"]
    keys = index.select(*CASE, *kin).unique(maintain_order=True)
    pictures = pl.DataFrame()
    held: dict[Kin, dict[Scored, tuple[Floats, Whole]]] = {}
    for n, key in enumerate(keys.select(kin).iter_rows()):
        if key in wanted:
            rows = pairs.mean(scores.of(keys[n : n + 1], pairs.COLUMNS))
            pictures, places = _placed(pictures, rows)
            held[key] = dict(_columns(rows.with_columns(at=places)))
    order = pictures.with_row_index("at").sort(PICTURE)["at"].to_numpy() if held else np.empty(0, dtype=int)
    of = {key: {scored: _full(*one, order) for scored, one in own.items()} for key, own in held.items()}
    return Values(about, erased[0] if erased else "[]", pictures[order] if held else pictures, of)


def _placed(pictures: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """The pictures, with those of some rows that are new at the end, and the place of each row's."""
    import polars as pl

    new = rows.select(PICTURE).unique(maintain_order=True)
    new = new.join(pictures, on=PICTURE, how="anti", maintain_order="left") if len(pictures) else new
    every = pl.concat([pictures, new]) if len(pictures) else new
    placed = rows.select(PICTURE).join(every.with_row_index("at"), on=PICTURE, how="left", maintain_order="left")
    return every, placed["at"]


def _columns(rows: pl.DataFrame) -> Iterator[tuple[Scored, tuple[Floats, Whole]]]:
    """The values of each metric with their places."""
    for (metric, scorer, version), own in rows.group_by(_SCORED, maintain_order=True):
        yield (metric, scorer, version), (own["value"].to_numpy().astype(float), own["at"].to_numpy())


def _full(values: Floats, at: Whole, order: Whole) -> Column:
    """The values at their places, all in another order."""
    found, tried = np.full(len(order), np.nan), np.zeros(len(order), dtype=bool)
    found[at], tried[at] = values, True
    return Column(found[order], tried[order])
