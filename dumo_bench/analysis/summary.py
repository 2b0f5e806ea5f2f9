"""Scores to means with intervals, by suite, case, method, role, concept and metric, and their changes by the edit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis import catalogue, coverage, derived, estimates, kinds, results
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.estimates import GROUP, KEPT, Row
from dumo_bench.analysis.scores import Scores, numbered, prompt_numbers
from dumo_bench.errors import UserError
from dumo_bench.storage import scan, table
from dumo_bench.storage.columns import names
from dumo_bench.types import Better, Suite

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

_AGAIN = 10  # times: an end, should somebody add to the tables without one
ROLES = ("target", "attack", "related", "unrelated", KEPT, derived.ALL)  # in the order in which they are shown
COLUMNS = [*GROUP, "erase", "erases", "role", "concept", "prompt_id", "seed", "draw", "scorer", "scorer_version"]
COLUMNS += ["metric", "value", "reason", "note"]
_OF_SETS = [*GROUP, "role", "scorer", "metric"]
_BY = [*GROUP, "erase", "erases", *catalogue.WHAT]  # what the rows of one part mostly have in common
_TOGETHER = 2**17  # rows of a case that are summed up at once
_IDENTITY = [*GROUP[len(estimates.CASE) :], "prompt_id", "seed", "draw", "scorer", "metric"]  # within a case


def write(out: Path, suites: Iterable[Suite] = ()) -> Path:
    """Summarise the tables of a results folder into its summary.parquet; `suites` tell which rows are partial.

    Where another program has added to them meanwhile, its summary may have been written before this one: once more.
    """
    tables, suites = out / "tables", list(suites)
    for _ in range(_AGAIN):
        seen = table.listing(tables)
        scores, sets = Scores.of_folder(out, COLUMNS, _BY), results.sets(out)
        known = catalogue.of_frames(tables, scan.to_frame(scores.index.select(catalogue.WHAT).unique()), sets)
        path = table.write_file(place(out), "summary", _made(scores, sets, known, suites))
        if table.listing(tables) == seen:
            break
    return path


def place(out: Path) -> Path:
    """Where the summary of a results folder lies."""
    return out / "summary.parquet"


def read(out: Path) -> pd.DataFrame:
    """The summary of a results folder."""
    path = place(out)
    if not path.exists():
        raise UserError(f"{path} is not there: `dumo-bench score` or `dumo-bench run` into {out} makes it")
    return table.read_file(path, "summary")


def make(
    scores: pd.DataFrame,
    sets: pd.DataFrame,
    known: Catalogue,
    suites: Iterable[Suite] = (),
) -> pd.DataFrame:
    """The summary of scores and sets, whose metrics are `known`."""
    return table.frame("summary", _made(Scores.of_frame(scores, COLUMNS, _BY), sets, known, list(suites)))


def _made(scores: Scores, sets: pd.DataFrame, known: Catalogue, suites: Sequence[Suite]) -> list[Row]:
    sets = sets.fillna({"content": ""})
    of_runs = scan.to_frame(scores.index.select(*estimates.CASE, "erase", "erases").unique(maintain_order=True))
    _refuse_contradictions(scan.to_frame(scores.index.select(_MADE_BY).unique()), sets[_MADE_BY].drop_duplicates())
    measured, made = _of_cases(scores, known, derived.erased(of_runs, suites))
    rows = [*measured, *_passed_through(sets), *made]
    erases = kinds.of_rows(of_runs, sets) | kinds.of_suites(suites)
    for row in rows:
        row["erases"] = erases.get((row["suite"], row["suite_version"], row["case"]), "")
        row["content"] = row["content"] or None
        row["higher_is_better"] = higher(known.of(row).metric.way(row["role"], row["erases"]))
    whole = coverage.told(rows, suites, GROUP, known)
    return [{name: row[name] for name in names("summary")} for row in whole]


def _of_cases(scores: Scores, known: Catalogue, erased: derived.Erased) -> tuple[list[Row], list[Row]]:
    """The rows of what was measured, and of what is made of it, in the order of cases."""
    measured: list[Row] = []
    made: list[Row] = []
    prompts, rates = prompt_numbers(scores), _rates(scores, known)
    cases = dict(scores.index.group_by(estimates.CASE, maintain_order=True))
    for suite, version, content, name in sorted(cases):
        index = cases[suite, version, content, name]
        erase = erased.get((suite, version, name), "[]")

        def sets(index: pl.DataFrame = index, erase: str = erase) -> Iterator[estimates.Set]:
            reference = estimates.first(scores.of(_keys(index.filter(method=estimates.REFERENCE)), estimates.BASE))
            for keys in _together(index):
                rows = estimates.coded(_once(numbered(scores.of(keys, COLUMNS), prompts)))
                made.extend(derived.rows(rows, erase, GROUP, known.numbers))
                yield from estimates.sets(rows, reference, rates.__contains__)

        measured += sorted(estimates.rows(sets()), key=lambda row: tuple(row[column] for column in estimates.SET))
    return measured, made


def _keys(index: pl.DataFrame) -> pl.DataFrame:
    return index.select(GROUP).unique(maintain_order=True)


def _together(index: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The methods of a case in order, as many at a time as have `_TOGETHER` rows or hardly more."""
    import polars as pl

    whole = index.group_by(GROUP).agg(pl.col("rows").sum()).sort(GROUP)
    before = whole["rows"].cum_sum() - whole["rows"]
    for _, some in whole.group_by(before // _TOGETHER, maintain_order=True):
        yield some.select(GROUP)


def _rates(scores: Scores, known: Catalogue) -> set[str]:
    """The metrics whose values are yes and no, so that Wilson's interval holds their mean; and their changes.

    A change is 0 or 1 nowhere but by chance: it is no rate.
    """
    import polars as pl

    yes_no = pl.col("value").is_in([0.0, 1.0]).all()
    parts = (part.drop_nulls("value").group_by("metric").agg(yes_no) for part in scores.each(["metric", "value"]))
    of = pl.concat(parts).group_by("metric").agg(pl.col("value").all()).with_columns(pl.col("metric").cast(pl.String))
    return {name for name, every in of.iter_rows() if every and known.named(name).metric.kind == "rate"}


def higher(way: Better) -> bool | None:
    """A direction as the summary keeps it; None: neither."""
    return {"higher": True, "lower": False, "neither": None}[way]


def _passed_through(sets: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of sets, in an order that is not that of the programs which wrote them."""
    rest = {"concept": "*", "change": False}
    rows = sorted(table.records(sets), key=lambda row: [str(row[name]) for name in _OF_SETS])
    return [row | rest | {"n_unasked": row["n_missing"] * (row["reason"] == "not asked")} for row in rows]


def _once(case: pl.DataFrame) -> pl.DataFrame:
    """The scores of a case without rows that are there twice and equal; two values of one picture are refused."""
    import polars as pl

    if not case.select(pl.struct(_IDENTITY).is_duplicated().any()).item():
        return case
    once = case.unique(keep="first", maintain_order=True)
    for row in once.filter(~pl.struct(_IDENTITY).is_first_distinct()).head(1).iter_rows(named=True):
        raise UserError(
            f"{row['suite']}, {row['case']}, {row['method']}, prompt {row['prompt_id']}: {row['metric']} is in the "
            "tables twice with different rows; delete tables/scores and run `dumo-bench score` again"
        )
    return once


_MADE_BY = ["suite", "scorer", "metric", "scorer_version"]


def _refuse_contradictions(*of: pd.DataFrame) -> None:
    """Of a metric, of pictures and of sets, the values of one version of one scorer; anything else would be averaged
    silently, or stand in one column."""
    import pandas as pd

    what = pd.concat([frame.astype(str) for frame in of], ignore_index=True)
    for (suite, scorer, metric), versions in what.groupby(["suite", "scorer", "metric"])["scorer_version"]:
        found = set(versions)
        if len(found) > 1:
            raise UserError(
                f"{suite}, {metric} was scored by versions {', '.join(sorted(found))} of {scorer} (+: what it was "
                "given behind @): run `dumo-bench score` for every method, so that one version has scored all"
            )
    for (suite, metric), scorers in what.groupby(["suite", "metric"])["scorer"]:
        if len(found := set(scorers)) > 1:
            raise UserError(
                f"{suite}, {metric} was scored by {' and by '.join(sorted(found))}: delete tables/scores and score "
                "again with one of them, or rename the metric of the other"
            )
