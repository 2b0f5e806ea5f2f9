"""Methods that were run with several settings: their scores side by side, settings in the order of their strength."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dumo_bench.analysis import catalogue, kinds, pairs, results
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.pairs import CASE
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.analysis.sides import refuse_contracts, rows_of
from dumo_bench.errors import UserError, unknown
from dumo_bench.metrics.curves import Values
from dumo_bench.storage import scan

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from dumo_bench.metrics.intervals import Floats

Key = tuple[str, int, str]  # suite, its version, case
_PICTURE = [*pairs.PAIR, "method", "method_version", "params", "fit_seed", "model", "sampling"]


class Folders(NamedTuple):
    """The scores of results folders together, what their metrics are and what their cases erase."""

    scores: pd.DataFrame
    metrics: Catalogue
    erases: kinds.Kinds


def read(folders: Sequence[Path]) -> Folders:
    """The rows of some results folders; of a picture that several have the first folder's counts."""
    import pandas as pd

    frames = [results.scores(out) for out in folders]
    scores = pd.concat(frames, ignore_index=True).drop_duplicates(_PICTURE, ignore_index=True)
    known = [catalogue.of_frames(out / "tables", frame) for out, frame in zip(folders, frames, strict=True)]
    every = {key: one for of in reversed(known) for key, one in of.by_key.items()}
    return Folders(scores, Catalogue(every), kinds.of_rows(scores))


def several(given: Folders) -> list[str]:
    """The methods that have several settings of a case."""
    every = given.scores.groupby("method")
    return [str(name) for name, rows in every if name != REFERENCE and _most(rows) > 1]


def _most(rows: pd.DataFrame) -> int:
    return int(rows.groupby(CASE)["params"].nunique().max())


@dataclass(frozen=True)
class Sweep:
    """The settings of one method on a case; `params`: their canonical JSON. rows: their scores."""

    method: str
    rows: pd.DataFrame

    @cached_property
    def params(self) -> list[str]:
        return sorted(self.rows["params"].unique())

    @cached_property
    def frames(self) -> list[pl.DataFrame]:
        """The scores of each setting."""
        return [scan.of_frame(self.rows[self.rows["params"] == one], pairs.COLUMNS) for one in self.params]

    @cached_property
    def _apart(self) -> list[dict[str, Any]]:
        """Of each setting what it does not share with all others."""
        every = [json.loads(text) for text in self.params]
        names = sorted({name for one in every for name in one})
        differing = [name for name in names if len({json.dumps(one.get(name)) for one in every}) > 1]
        return [{name: one.get(name) for name in differing} for one in every]

    @property
    def names(self) -> list[str]:
        """What tells the settings apart, in words."""
        return [", ".join(f"{name}={json.dumps(value)}" for name, value in one.items()) for one in self._apart]

    @cached_property
    def strengths(self) -> tuple[str, list[float]] | None:
        """The setting that is swept with its values, where it is one, and a number in all."""
        values = [list(one.items()) for one in self._apart]
        if any(len(one) != 1 or type(one[0][1]) not in (int, float) for one in values):
            return None
        return values[0][0][0], [float(one[0][1]) for one in values]

    def order(self, left: Floats, kept: Floats, *, rises: bool = True) -> list[int]:
        """The settings, those that leave least first: by the one number that is swept, which way it erases more being
        seen from what is left; where several things vary, by what is left and, of equal ones, by what is kept, worst
        first. rises: more of that is better."""
        from scipy.stats import spearmanr

        if self.strengths:
            values = np.array(self.strengths[1])
            way = spearmanr(values, left).statistic if np.ptp(left) > 0 else 0.0
            if way != 0:
                return [int(n) for n in np.argsort(values * np.sign(way), kind="stable")]
        return [int(n) for n in np.lexsort((kept if rises else -kept, left))]


class Pair(NamedTuple):
    """Two methods on a case, picture by picture: `wide` has a column for each setting of each."""

    key: Key
    a: Sweep
    b: Sweep
    wide: pl.DataFrame

    def values(self, role: str, metric: str) -> tuple[Values, Values] | None:
        """The values of both on the pictures of a role that were measured under every setting; None: there is none."""
        import polars as pl

        columns = self.wide.select(pl.selectors.starts_with("a ", "b ")).columns
        rows = self.wide.filter((pl.col("role") == role) & (pl.col("metric") == metric)).drop_nulls(columns)
        if rows.is_empty():
            return None
        prompts = pairs.prompts(rows)
        sides = ([name for name in columns if name.startswith(side)] for side in ("a ", "b "))
        a, b = (Values(rows.select(of).to_numpy().T.astype(float), prompts) for of in sides)
        return a, b

    def metrics(self, role: str) -> list[str]:
        """The metrics that were measured on a role."""
        import polars as pl

        return sorted(map(str, self.wide.filter(pl.col("role") == role)["metric"].unique()))


def of(spec: str, given: Folders) -> dict[Key, Sweep]:
    """A method, as it is typed, on every case of which there are several settings of it; of one version of it."""
    name = spec.partition(":")[0]
    if name not in (known := set(given.scores["method"])):
        raise unknown("methods of these folders", name, known)
    found = rows_of(spec, given.scores)
    if len(versions := sorted(set(found["method_version"]))) > 1:
        typed = ", ".join(f"{name}:version={one}" for one in versions)
        raise UserError(f"{spec} is there in {len(versions)} versions, name one: {typed}")
    every = {_key(rows): Sweep(spec, rows) for _, rows in found.groupby(CASE)}
    return {key: sweep for key, sweep in every.items() if len(sweep.params) > 1}


def _key(rows: pd.DataFrame) -> Key:
    """The case that rows are of."""
    suite, version, case = rows[CASE].iloc[0]
    return str(suite), int(version), str(case)


def together(a: Mapping[Key, Sweep], b: Mapping[Key, Sweep], case: str = "*") -> Iterator[Pair]:
    """Two methods on every case that both have and that has such a name."""
    for key in sorted(a.keys() & b.keys()):
        if fnmatchcase(key[2], case):
            refuse_contracts((a[key].method, a[key].rows), (b[key].method, b[key].rows))
            sides = {f"a {n}": one for n, one in enumerate(a[key].frames)}
            sides |= {f"b {n}": one for n, one in enumerate(b[key].frames)}
            yield Pair(key, a[key], b[key], pairs.side_by_side(sides))
