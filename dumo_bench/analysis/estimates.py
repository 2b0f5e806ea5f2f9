"""Means with intervals of every set of scores: by method, role, concept and metric, and their changes by the edit.

The scores of some methods on one case at a time, as columns: a set is a number beside each row, so that nothing is done
once a row. What stays of a set until its interval is made are sums by prompt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench.analysis import coverage
from dumo_bench.analysis.catalogue import CHANGE
from dumo_bench.metrics import intervals
from dumo_bench.types import SETS

if TYPE_CHECKING:
    import polars as pl

    from dumo_bench.metrics.intervals import Floats, Grouped, Whole

Row: TypeAlias = dict[str, Any]
KEPT = "kept"  # related and unrelated together
CASE = ["suite", "suite_version", "content", "case"]
GROUP = [*CASE, "method", "method_version", "params", "fit_seed", "model", "sampling"]
SET = [*GROUP, "role", "concept", "scorer", "scorer_version", "metric", "change"]
_SERIES = ["method", "method_version", "params", "fit_seed", "model", "sampling", "scorer", "scorer_version", "metric"]
_PAIR = ["model", "sampling", "scorer", "metric", "prompt_id", "seed", "draw"]  # within a case
BASE = [*_PAIR, "value"]  # of the reference's scores, what others are compared with
REFERENCE = "original"
_WAITING = 2**24  # sums by prompt that wait for their intervals: sets of equally many prompts share their resamples


class Set(NamedTuple):
    """A set of scores: what it is of, its values by prompt (None: it has none), whether they are yes and no."""

    about: Row
    values: Grouped | None
    yes_no: bool
    lost: Lost


class Lost(NamedTuple):
    """Of the missing values of a set: how many there are, how many asked nothing of the scorer, and why, in words."""

    n: int = 0
    unasked: int = 0
    note: str = ""


def coded(scores: pl.DataFrame) -> pl.DataFrame:
    """The scores of a case with `series`, a number for each method and metric, so that one column tells them apart."""
    keys = scores.select(_SERIES).unique(maintain_order=True).with_row_index("series")
    return scores.join(keys, on=_SERIES, how="left", maintain_order="left")


def first(reference: pl.DataFrame) -> pl.DataFrame:
    """Of the reference's scores the columns `BASE`, of each prompt and draw the first."""
    import polars as pl

    return reference.select(BASE).filter(pl.struct(_PAIR).is_first_distinct())


def changes(scores: pl.DataFrame, reference: pl.DataFrame) -> pl.DataFrame:
    """Scores of a case minus the reference's, as `first` has them, for the same prompt and draw."""
    import polars as pl

    paired = scores.join(reference.rename({"value": "base"}), on=_PAIR, how="left", maintain_order="left")
    alone = pl.col("value").is_not_null() & pl.col("base").is_null()
    return paired.with_columns(
        value=pl.col("value") - pl.col("base"),
        note=_or_else("note", alone, f"not measured on {REFERENCE}"),
        reason=_or_else("reason", alone, "no reference"),
    ).drop("base")


def _or_else(column: str, where: pl.Expr, text: str) -> pl.Expr:
    import polars as pl

    return pl.when(where).then(pl.lit(text, pl.Categorical)).otherwise(pl.col(column)).alias(column)


def sets(scores: pl.DataFrame, reference: pl.DataFrame, is_rate: Callable[[str], bool]) -> Iterator[Set]:
    """Every set of some methods' scores on a case: of each concept, of all of a role, and of all kept prompts;
    measured, and changes, whose metric has ".change" appended.

    scores: `coded`, with `prompt`, a number for each prompt in the order in which prompts are resampled. reference: the
    unedited model's on this case, as `first` has them. is_rate: whether the values of a metric, by its name, are yes
    and no.
    """
    import polars as pl

    for change in (False, True):
        rows = changes(scores, reference) if change else scores
        kept = rows.filter(pl.col("role").is_in(list(SETS[KEPT])))
        for some, told in ((rows, {}), (rows, {"concept": "*"}), (kept, {"role": KEPT, "concept": "*"})):
            yield from _of_sets(some, {"change": change, **told}, is_rate)


def _of_sets(rows: pl.DataFrame, told: Row, is_rate: Callable[[str], bool]) -> list[Set]:
    """A set for every series, role and concept, but for what is `told` of all."""
    import polars as pl

    if rows.is_empty():
        return []
    of = ["series", *(name for name in ("role", "concept") if name not in told)]
    keys = rows.select(*of, *CASE, *_SERIES).unique(of, maintain_order=True, keep="first").with_row_index("set")
    which = rows.select(of).join(keys.select(*of, "set"), on=of, how="left", maintain_order="left")["set"]
    named = keys.drop("set", "series").with_columns(pl.col(pl.Categorical).cast(pl.String))
    about = [row | told | {"metric": row["metric"] + CHANGE * told["change"]} for row in named.iter_rows(named=True)]
    lost = _lost(rows.select("value", "reason", "note", set=which).filter(pl.col("value").is_null()))
    found = rows.select("value", "prompt", set=which.cast(pl.Int64)).drop_nulls("value")
    sets, values, prompts = (found[name].to_numpy() for name in ("set", "value", "prompt"))
    grouped = _grouped(sets, values, prompts, len(about))
    every = enumerate(zip(about, grouped, strict=True))
    return [Set(row, of, is_rate(row["metric"]), lost.get(n, Lost())) for n, (row, of) in every]


def _grouped(which: Whole, values: Floats, prompts: Whole, n: int) -> list[Grouped | None]:
    """The values of each of n sets by prompt, in the order of the prompts' numbers; None: it has none.

    Values are added in the order of the rows, as they would be set by set.
    """
    width = int(prompts.max(initial=0)) + 1
    cells, cell = np.unique(which * width + prompts, return_inverse=True)
    sums, counts = np.asarray(np.bincount(cell, weights=values), dtype=np.float64), np.bincount(cell)
    cuts = np.searchsorted(cells, np.arange(n + 1) * width)
    ends = np.cumsum(np.bincount(which, minlength=n))
    in_sets = values[np.argsort(which, kind="stable")]
    return [
        intervals.Grouped(float(in_sets[a:b].mean()), sums[c:d], intervals.short(counts[c:d])) if b > a else None
        for a, b, c, d in zip((0, *ends[:-1]), ends, cuts[:-1], cuts[1:], strict=True)
    ]


def _lost(missing: pl.DataFrame) -> dict[int, Lost]:
    """By the number of the set."""
    import polars as pl

    counted = missing.group_by("set", "reason", "note", maintain_order=True).len()
    notes: dict[int, Counter[str]] = {}
    unasked: Counter[int] = Counter()
    for of, reason, note, n in counted.with_columns(pl.col("reason", "note").cast(pl.String)).iter_rows():
        notes.setdefault(of, Counter())[note] += n
        unasked[of] += n * (reason == "not asked")
    return {of: Lost(found.total(), unasked[of], _note(found)) for of, found in notes.items()}


def _note(missing: Counter[str]) -> str:
    """Why values are missing, the commonest reasons first, with their counts."""
    shown = [f"{count} missing: {reason or 'no reason given'}" for reason, count in missing.most_common(3)]
    return "; ".join(shown) + (f"; {coverage.MORE}" if len(missing) > 3 else "")


def rows(sets: Iterable[Set]) -> Iterator[Row]:
    """A row for every set, in their order."""
    waiting: list[Set] = []
    held = 0
    for one in sets:
        waiting.append(one)
        held += 0 if one.values is None else len(one.values.sums)
        if held > _WAITING:
            yield from _rows(waiting)
            waiting, held = [], 0
    yield from _rows(waiting)


def _rows(sets: Sequence[Set]) -> Iterator[Row]:
    """Mean and interval of the measured values of each set; what was not measured is counted and explained."""
    measured = [(one.values, one.yes_no) for one in sets if one.values is not None]
    found = iter(intervals.of_means([values for values, _ in measured], [yes_no for _, yes_no in measured]))
    none = {"value": None, "low": None, "high": None, "how": "nothing was measured"}
    for about, values, _, missing in sets:
        n = 0 if values is None else int(values.counts.sum())
        counted = {"n": n, "n_missing": missing.n, "n_unasked": missing.unasked, "note": missing.note}
        yield about | counted | (none if values is None else {"value": values.mean} | next(found)._asdict())
