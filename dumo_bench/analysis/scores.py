"""The scores of a results folder, of which those of some cases and methods are in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dumo_bench.analysis import results
from dumo_bench.analysis.results import WHAT
from dumo_bench.storage import scan, table
from dumo_bench.storage.scan import Parts

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from dumo_bench.metrics.intervals import Whole


class Scores:
    """Scores, part by part; what tells their rows apart is known of all.

    index: the values of `by` in each part, in the order in which they first come, with `part` and, as `rows`, of how
    many rows they are. A suite of which there are several contents is called as in `results`; a content that is not
    known is "".
    """

    def __init__(self, parts: Parts, by: Sequence[str], sets: pd.DataFrame) -> None:
        import polars as pl

        self._parts, self._by = parts, list(dict.fromkeys([*by, *WHAT]))
        every = [
            _told(parts.read(n, self._by)).group_by(self._by, maintain_order=True).len("rows").with_columns(part=n)
            for n in range(len(parts))
        ]
        index = pl.concat(every)
        self._called = results.called(index, sets)
        self.index = results.renamed(index, self._called)

    @classmethod
    def of_folder(cls, out: Path, columns: Sequence[str], by: Sequence[str]) -> Scores:
        """Some columns of the scores of pictures, by some of them."""
        tables = out / "tables"
        wanted = list(dict.fromkeys([*columns, *by, *WHAT]))
        return cls(scan.parts_of(tables, "scores", wanted), by, table.read(tables, "sets"))

    @classmethod
    def of_frame(cls, scores: pd.DataFrame, columns: Sequence[str], by: Sequence[str]) -> Scores:
        """Those of a table in memory."""
        wanted = list(dict.fromkeys([*columns, *by, *WHAT]))
        return cls(Parts([scan.of_frame(scores, wanted).select], wanted), by, table.empty("sets"))

    def of_case(self, suite: str, version: int, case: str) -> pl.DataFrame:
        """The index of a case."""
        return self.index.filter(suite=suite, suite_version=version, case=case)

    def each(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Columns of every part."""
        return (self._part(n, columns) for n in range(len(self._parts)))

    def of(self, keys: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """Columns of the rows with any of the values of `keys`, of whose columns all are in `by`, in the order of the
        table."""
        import polars as pl

        on = keys.columns
        there = self.index.join(keys, on=on, how="semi", maintain_order="left")["part"].unique(maintain_order=True)
        others = set(self.index.join(keys, on=on, how="anti")["part"])
        found = [self._part(n, list(dict.fromkeys([*columns, *on]))) for n in there]
        mine = [
            rows.join(keys, on=on, how="semi", maintain_order="left") if n in others else rows
            for n, rows in zip(there, found, strict=True)
        ]
        return pl.concat(mine).select(columns) if mine else self._part(0, columns).clear()

    def _part(self, n: int, columns: Sequence[str]) -> pl.DataFrame:
        raw = _told(self._parts.read(n, list(dict.fromkeys([*columns, *WHAT]))))
        return results.renamed(raw, self._called).select(columns)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    """With "" for a content that is not known: null equals nothing."""
    import polars as pl

    return rows.with_columns(pl.col("content").fill_null(pl.lit("", pl.Categorical)))


def prompt_numbers(scores: Scores) -> Whole:
    """A number for each prompt by its code, as they first come in the whole table: so they are resampled.

    A code stands for the same text for as long as any column of texts is there, as the scores' index is.
    """
    numbers, n = np.full(0, -1), 0
    for part in scores.each(["prompt_id"]):
        codes = part["prompt_id"].unique(maintain_order=True).to_physical().to_numpy().astype(np.int64)
        numbers = np.pad(numbers, (0, max(0, int(codes.max(initial=-1)) + 1 - len(numbers))), constant_values=-1)
        new = codes[numbers[codes] < 0]
        numbers[new] = np.arange(n, n := n + len(new))
    return numbers


def numbered(rows: pl.DataFrame, prompts: Whole) -> pl.DataFrame:
    """The rows with `prompt`, their prompts' numbers."""
    import polars as pl

    return rows.with_columns(prompt=pl.Series(prompts[rows["prompt_id"].to_physical().to_numpy()]))
