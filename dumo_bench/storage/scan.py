"""Some columns of a whole table, for what is made of millions of rows: read file by file into polars.

Why polars: it groups, joins and sorts columns of codes in parallel and in little memory, and takes Arrow's columns as
they are. DuckDB would do as well; to it a query is text, which neither a type checker nor a reader can follow into the
code beside it. Texts are categories: a method's name stands once, however many rows are of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.storage import parts, table

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


def read(folder: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of all parts of a table, in the order of `table.read`; equal rows, of all columns, are not looked for."""
    import polars as pl

    found = list(_parts(folder, name, columns))
    return pl.concat(found) if found else of_frame(table.empty(name), columns)


def read_part(folder: Path, name: str, part: str, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of one part of a table; without rows when it is not there."""
    paths = parts.paths(folder / name, part).get(part)
    return _part(paths, name, columns) if paths else of_frame(table.empty(name), columns)


def _parts(folder: Path, name: str, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The parts of one file first, then those of several, as `table.read` has them."""
    for paths in sorted(parts.paths(folder / name).values(), key=lambda paths: len(paths) > 1):
        yield _part(paths, name, columns)


def _part(paths: Sequence[Path], name: str, columns: Sequence[str]) -> pl.DataFrame:
    if len(paths) == 1:
        return _file(paths[0], name, columns)
    rule = parts.RULES[name]
    wanted = {*columns, *rule.row, *rule.of, *([rule.version] if rule.version else [])}
    return _merged(rule, [_file(path, name, sorted(wanted)) for path in paths]).select(columns)


def _file(path: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    import polars as pl

    found = pl.from_arrow(table.columns(path, name, columns))
    assert isinstance(found, pl.DataFrame)
    return _categories(found).select(columns)


def _merged(rule: parts.Rule, files: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """As `parts.merged`: of the last version of each scorer the rows that were written last."""
    import polars as pl

    whole = pl.concat(files)
    if rule.version:
        whole = whole.filter(pl.col(rule.version) == pl.col(rule.version).last().over(rule.of))
    return whole.filter(pl.struct(rule.row).is_last_distinct())


def of_frame(frame: pd.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of a table in memory."""
    import polars as pl

    return _categories(pl.from_pandas(frame[list(columns)]))


def to_frame(rows: pl.DataFrame) -> pd.DataFrame:
    """Few rows, as the rest of the program takes them."""
    import polars as pl

    found: pd.DataFrame = rows.with_columns(pl.col(pl.Categorical).cast(pl.String)).to_pandas()
    return found


def distinct(folder: Path, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """The combinations of values in some columns of a table, in the order in which they first come."""
    return to_frame(read(folder, name, columns).unique(maintain_order=True))


def _categories(rows: pl.DataFrame) -> pl.DataFrame:
    """Every text as a category, whatever it was."""
    import polars as pl

    return rows.with_columns(pl.col(pl.String, pl.Null).cast(pl.Categorical))
