"""Pairs: the same prompt and noise under two methods, as arrays by metric and role, for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench.analysis import derived

if TYPE_CHECKING:
    import polars as pl

    from dumo_bench.metrics.intervals import Floats, Whole
    from dumo_bench.metrics.paired import Parts

KEPT = "kept"  # related and unrelated together
CASE = ["suite", "suite_version", "case"]
PAIR = [*CASE, "role", "concept", "scorer", "scorer_version", "metric", "prompt_id", "seed", "draw"]
COLUMNS = [*PAIR, "fit_seed", "value"]  # of scores, what pairs are made of
About: TypeAlias = tuple[str, int, str, str, str]  # suite, its version, case, role, metric
Key: TypeAlias = tuple[str, str]  # metric, role


class Measured(NamedTuple):
    """A metric on a role as it was measured on both sides, or a number that is made of several means.

    parts: of each mean a, b and clusters; none where a part has no pair that was measured on both. n: how many pairs
    were measured, missing: how many were not.
    """

    about: About
    parts: Parts
    n: int
    missing: int
    number: derived.Number | None = None  # None: the mean of its one part

    @property
    def key(self) -> Key:
        return self.about[-1], self.about[-2]


def joined(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """One row a picture and metric that both have, with a and b; the mean over fits, null where one is missing."""
    return side_by_side({"a": a, "b": b})


def side_by_side(sides: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """One row a picture and metric that all sides have, with a column for each; the mean over fits, null where one is
    missing."""
    first, *rest = (mean(one).rename({"value": name}) for name, one in sides.items())
    for other in rest:
        first = first.join(other, on=PAIR, how="inner")
    return first.sort(PAIR)


def mean(rows: pl.DataFrame) -> pl.DataFrame:
    """The mean over fits; null where one of them is, or where a fit of the case lacks what another has. Equal rows
    count once."""
    import polars as pl

    fits = rows.group_by(*CASE, "metric").agg(fits=pl.col("fit_seed").n_unique())
    once = not rows.select(pl.struct(PAIR).is_duplicated().any()).item()
    if once and (fits["fits"] == 1).all():
        return rows.select(*PAIR, "value")
    means = rows.unique(maintain_order=True).group_by(PAIR).agg(pl.col("value").mean(), there=pl.col("value").count())
    whole = means.join(fits, on=[*CASE, "metric"], how="left")
    value = pl.when(pl.col("there") == pl.col("fits")).then(pl.col("value"))
    return whole.select(*PAIR, value.alias("value"))


def pictures(pairs: pl.DataFrame) -> list[Measured]:
    """Every metric on every role."""
    return [_measured(about, rows) for about, rows in groups(pairs, [*CASE, "role", "metric"])]


def _measured(about: tuple[Any, ...], rows: pl.DataFrame) -> Measured:
    suite, version, case, role, metric = about
    there = rows.drop_nulls(["a", "b"])
    parts = [] if there.is_empty() else [_arrays(there)]
    return Measured((suite, version, case, role, metric), parts, len(there), len(rows) - len(there))


def numbers(pairs: pl.DataFrame, among: Iterable[derived.Number], erased: derived.Erased) -> Iterator[Measured]:
    """The numbers made of several means; `erased`: what each case erases."""
    for (suite, version, case), rows in groups(pairs, CASE):
        for number, parts in derived.parts(rows, erased.get((suite, version, case), "[]"), among):
            if len(parts) > 1:  # one part says it for itself
                yield _several((suite, version, case, number.role, number.metric.name), number, parts)


def _several(about: About, number: derived.Number, parts: Sequence[pl.DataFrame]) -> Measured:
    import polars as pl

    there = [part.drop_nulls(["a", "b"]) for part in parts]
    n = sum(map(len, there))
    ends, whole = np.cumsum([len(part) for part in there])[:-1], not any(part.is_empty() for part in there)
    split = zip(*(np.split(of, ends) for of in _arrays(pl.concat(there))), strict=True) if whole else ()
    return Measured(about, list(split), n, sum(map(len, parts)) - n, number)


def groups(rows: pl.DataFrame, columns: list[str]) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    """The rows by the values of some columns, in order."""
    return sorted(rows.group_by(columns, maintain_order=True), key=lambda one: one[0])


def _arrays(rows: pl.DataFrame) -> tuple[Floats, Floats, Whole]:
    a, b = (rows[name].to_numpy().astype(float) for name in ("a", "b"))
    return a, b, prompts(rows)


def prompts(rows: pl.DataFrame) -> Whole:
    """The prompts of some rows (n,), numbered from 0."""
    import pandas as pd

    return np.asarray(pd.factorize(rows["prompt_id"].to_physical().to_numpy())[0], dtype=np.int64)
