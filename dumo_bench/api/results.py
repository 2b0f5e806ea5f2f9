"""A results folder as tables: of pandas, of polars, or as views of DuckDB, all of the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from dumo_bench.analysis import results
from dumo_bench.errors import UserError, unknown
from dumo_bench.storage import remote, table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Name = Literal["summary", "scores", "sets", "detections", "metrics"]
NAMES: tuple[Name, ...] = get_args(Name)


@dataclass(frozen=True, slots=True)
class Results:
    """A results folder; docs/tables.md says what the columns of its tables are. A null is not measured, never 0."""

    out: Path

    def pandas(self, name: Name = "summary") -> pd.DataFrame:
        """A table, whatever files it lies in: "summary" has means with intervals, "scores" a row a picture and metric,
        "sets" the numbers of whole sets, "detections" boxes, "metrics" what each metric is."""
        if name not in NAMES:
            raise unknown("tables", name, NAMES)
        if name == "summary":
            from dumo_bench.analysis import summary

            return summary.read(self.out)
        if name in ("scores", "sets"):
            return results.scores(self.out) if name == "scores" else results.sets(self.out)
        return table.read(self.out / "tables", name)

    def polars(self, name: Name = "summary") -> pl.DataFrame:
        """The same rows in polars."""
        import polars as pl

        return pl.from_pandas(self.pandas(name))

    def duckdb(self) -> Any:
        """A connection of DuckDB with a view of every table that is there: `.sql("from summary where n > 10")`."""
        try:
            import duckdb
        except ImportError as error:
            raise UserError("DuckDB is not installed: type pip install duckdb") from error
        connection = duckdb.connect()
        for name in NAMES:
            connection.register(name, self.polars(name).to_arrow())
        return connection


def read(out: str | Path = "results") -> Results:
    """A results folder, of this machine or s3://bucket/name; one without tables is refused."""
    found = Results(remote.place(str(out)))
    if not (found.out / "tables").is_dir():
        said = "has no tables of scores" if found.out.is_dir() else "no such folder"
        raise UserError(f"{out}: {said}: `dumo-bench run` into it makes them")
    return found
