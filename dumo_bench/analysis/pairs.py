"""Pairs: the same prompt and noise under two methods. How far they differ, and whether significantly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench.analysis import derived
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import DetectionRate
from dumo_bench.metrics import paired, power
from dumo_bench.storage import scan, table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from dumo_bench.metrics.intervals import Floats, Whole
    from dumo_bench.metrics.paired import Paired, Resampled

LEVEL = 0.05
CASE = ["suite", "suite_version", "case"]
PAIR = [*CASE, "role", "concept", "scorer", "scorer_version", "metric", "prompt_id", "seed", "draw"]
COLUMNS = [*PAIR, "fit_seed", "value"]  # of scores, what pairs are made of
_About: TypeAlias = tuple[str, int, str, str, str]  # suite, its version, case, role, metric


@dataclass(frozen=True, slots=True)
class Difference:
    """a - b of one metric on one role; `q` is p after Benjamini and Hochberg over the `family` tests of a comparison.

    p is None where nothing can be resampled (numbers of whole sets). `needed`: the number of pictures at which such a
    difference is significant with 80 % power. `copy_of`: the metric that this is in another unit. `detection_rate`: on
    unedited pictures; None: it needs none. `unedited`: the unedited model's rate; None: it is no
    rate.
    """

    suite: str
    suite_version: int
    case: str
    role: str
    metric: str
    higher: bool | None
    a: float | None
    b: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    n_missing: int
    won: int
    lost: int
    needed: int | None
    how: str
    copy_of: str = ""
    q: float | None = None
    family: int = 0
    detection_rate: DetectionRate | None = None
    unedited: DetectionRate | None = None

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.a - self.b

    @property
    def separable(self) -> bool:
        return self.q is not None and self.q < LEVEL

    @property
    def unreliable(self) -> bool:
        """Whether it says nothing, since the scorer hardly recognises the thing before any edit."""
        return self.detection_rate is not None and self.detection_rate.valid is False and self.difference is not None


def differences(a: pd.DataFrame, b: pd.DataFrame, metrics: Catalogue) -> list[Difference]:
    """Every metric on every role, and every number made of several, of the pictures that both scores have.

    A metric that is part of another is not tested for itself.
    """
    parts = [name for name, known in metrics.by_name.items() if known.metric.part_of]
    sides = [scan.of_frame(one[~one["metric"].isin(parts)], COLUMNS) for one in (a, b)]
    pairs = joined(*sides)
    erased = derived.erased(a) | derived.erased(b)
    found = [d for of in (pictures([pairs]), numbers([pairs], metrics.numbers, erased)) for d in of[0]]
    return [replace(d, copy_of=metrics.named(d.metric).metric.copy_of) for d in found]


def corrected(groups: Sequence[Sequence[Difference]]) -> list[list[Difference]]:
    """With q, over all that were tested in all groups; one number in several units is one test and has one q."""
    tests = {(i, *_test(d)): d.p for i, group in enumerate(groups) for d in reversed(group) if d.p is not None}
    q = dict(zip(tests, paired.discoveries(list(tests.values())), strict=True))
    return [
        [d if d.p is None else replace(d, q=q[i, *_test(d)], family=len(tests)) for d in group]
        for i, group in enumerate(groups)
    ]


def _test(d: Difference) -> tuple[Any, ...]:
    """What a difference is a test of: the same for copies that differ by a factor."""
    return d.suite, d.suite_version, d.case, d.role, d.copy_of or d.metric


def joined(a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
    """One row a picture and metric that both have, with a and b; the mean over fits, null where one is missing."""
    sides = [_mean(one).rename({"value": name}) for one, name in ((a, "a"), (b, "b"))]
    return sides[0].join(sides[1], on=PAIR, how="inner").sort(PAIR)


def _mean(rows: pl.DataFrame) -> pl.DataFrame:
    """The mean over fits; null where one of them is, or where a fit of the case lacks what another has."""
    import polars as pl

    fits = rows.group_by(*CASE, "metric").agg(fits=pl.col("fit_seed").n_unique())
    if (fits["fits"] == 1).all() and not rows.select(pl.struct(PAIR).is_duplicated().any()).item():
        return rows.select(*PAIR, "value")
    means = rows.group_by(PAIR).agg(pl.col("value").mean(), there=pl.col("value").count())
    whole = means.join(fits, on=[*CASE, "metric"], how="left")
    value = pl.when(pl.col("there") == pl.col("fits")).then(pl.col("value"))
    return whole.select(*PAIR, value.alias("value"))


def pictures(sides: Sequence[pl.DataFrame]) -> list[list[Difference]]:
    """Of the pairs of each two sides, of every metric on every role the difference of means."""
    every = [[(about, *_measured(rows)) for about, rows in groups(pairs, [*CASE, "role", "metric"])] for pairs in sides]
    tests = iter(paired.compare_all([arrays for side in every for _, arrays, _ in side if arrays]))
    return [[_picture(about, arrays, lost, tests) for about, arrays, lost in side] for side in every]


def _measured(rows: pl.DataFrame) -> tuple[tuple[Floats, Floats, Whole] | None, int]:
    """What was measured on both, and of how many pairs it was not."""
    there = rows.drop_nulls(["a", "b"])
    return None if there.is_empty() else _arrays(there), len(rows) - len(there)


def _picture(
    about: tuple[Any, ...], arrays: tuple[Floats, Floats, Whole] | None, lost: int, tests: Iterator[Paired]
) -> Difference:
    suite, version, case, role, metric = about
    if arrays is None:
        return _unmeasured((suite, version, case, role, metric), 0, lost, "no picture was measured on both")
    (a, b, _), found = arrays, next(tests)
    return Difference(
        suite, version, case, role, metric, None, float(a.mean()), float(b.mean()),
        found.interval.low, found.interval.high, found.p, n=len(a), n_missing=lost,
        won=found.won, lost=found.lost, needed=found.needed, how=found.how,
    )  # fmt: skip


def _unmeasured(about: _About, n: int, missing: int, how: str) -> Difference:
    return Difference(
        *about, None, None, None, None, None, None, needed=None, n=n, n_missing=missing, won=0, lost=0, how=how
    )


def groups(rows: pl.DataFrame, columns: list[str]) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    """The rows by the values of some columns, in order."""
    return sorted(rows.group_by(columns, maintain_order=True), key=lambda one: one[0])


def _arrays(rows: pl.DataFrame) -> tuple[Floats, Floats, Whole]:
    import pandas as pd

    a, b = (rows[name].to_numpy().astype(float) for name in ("a", "b"))
    prompts = pd.factorize(rows["prompt_id"].to_physical().to_numpy())[0]
    return a, b, np.asarray(prompts, dtype=np.int64)


def numbers(
    sides: Sequence[pl.DataFrame], among: Iterable[derived.Number], erased: derived.Erased
) -> list[list[Difference]]:
    """Of the pairs of each two sides the numbers made of several means, resampled with their pairs; `erased`: what
    each case erases."""
    every = [list(_of_several(pairs, among, erased)) for pairs in sides]
    there = [one for side in every for one in side if one.parts]
    tests = iter(paired.of_numbers_all([(one.number.f, one.parts, one.number.rates) for one in there]))
    return [[_number(one, tests) for one in side] for side in every]


class _Several(NamedTuple):
    """A number, its parts as they were measured on both sides, (a, b, clusters) each, and how many pairs were not."""

    about: _About
    number: derived.Number
    parts: paired.Parts  # none, where a part has no pair that was measured on both
    n: int
    missing: int


def _of_several(pairs: pl.DataFrame, among: Iterable[derived.Number], erased: derived.Erased) -> Iterator[_Several]:
    for (suite, version, case), rows in groups(pairs, CASE):
        for number, parts in derived.parts(rows, erased.get((suite, version, case), "[]"), among):
            if len(parts) > 1:  # one part says it for itself
                yield _several((suite, version, case, number.role, number.metric.name), number, parts)


def _several(about: _About, number: derived.Number, parts: Sequence[pl.DataFrame]) -> _Several:
    import polars as pl

    there = [part.drop_nulls(["a", "b"]) for part in parts]
    n = sum(map(len, there))
    ends, whole = np.cumsum([len(part) for part in there])[:-1], not any(part.is_empty() for part in there)
    split = zip(*(np.split(of, ends) for of in _arrays(pl.concat(there))), strict=True) if whole else ()
    return _Several(about, number, list(split), n, sum(map(len, parts)) - n)


def _number(one: _Several, tests: Iterator[Resampled]) -> Difference:
    if not one.parts:
        return _unmeasured(one.about, one.n, one.missing, "no picture of a part was measured on both")
    a, b = (float(one.number.f(*(part[i].mean() for part in one.parts))) for i in (0, 1))
    found = next(tests)
    wanted = power.numbers_needed(a - b, found.error, [len(part[2]) for part in one.parts])
    return Difference(
        *one.about, True, a, b, found.low, found.high, found.p, n=one.n, n_missing=one.missing, won=0, lost=0,
        needed=wanted, how="a and b exchanged by prompts",
    )  # fmt: skip


def _mean_of_sets(rows: pd.DataFrame, key: list[str], columns: list[str]) -> pd.DataFrame:
    """The mean over fits; null where one of them is, or where a fit of the case lacks what another has."""
    groups = rows.groupby(key, sort=True)[columns]
    every = rows.groupby([*CASE, "metric"])["fit_seed"].transform("nunique").groupby([rows[k] for k in key]).first()
    return groups.mean().where(groups.count().eq(every, axis=0))


def of_sets(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Difference]:
    """Numbers of whole sets; of what is missing, the larger count of the two sides."""
    key = [*CASE, "role", "scorer", "scorer_version", "metric"]
    once = [_mean_of_sets(one, key, ["value", "n", "n_missing"]) for one in (a, b)]
    both = once[0].add_suffix("_a").join(once[1].add_suffix("_b"), how="inner").reset_index()
    for row in table.records(both):
        alike = row["n_a"] == row["n_b"]
        yield Difference(
            row["suite"], row["suite_version"], row["case"], row["role"], row["metric"], None,
            row["value_a"] if alike else None, row["value_b"] if alike else None, None, None, None,
            n=int(min(row["n_a"], row["n_b"])), n_missing=int(max(row["n_missing_a"], row["n_missing_b"])),
            won=0, lost=0, needed=None,
            how="a number of the whole set" if alike else f"of {row['n_a']:.0f} and {row['n_b']:.0f} pictures: no pair",
        )  # fmt: skip
