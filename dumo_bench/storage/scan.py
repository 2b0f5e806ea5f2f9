"""Some columns of a whole table, for what is made of millions of rows: read file by file into polars.

Why polars: it groups, joins and sorts columns of codes in parallel and in little memory, and takes Arrow's columns as
they are. DuckDB would do as well; to it a query is text, which neither a type checker nor a reader can follow into the
code beside it. Texts are categories: a method's name stands once, however many rows are of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dumo_bench.storage import parts, table
from dumo_bench.storage.columns import KEY

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

Reader: TypeAlias = "Callable[[Sequence[str]], pl.DataFrame]"  # some columns of a part, read anew
_KEPT = 2**26  # bytes of parts that stay in memory, so that small tables are read once


class Parts:
    """Columns of a table, part by part, in the order of `read`: of a large table only the first parts stay in memory.

    Equal rows, of all columns, are not looked for.
    """

    def __init__(self, readers: Sequence[Reader], columns: Sequence[str]) -> None:
        self._readers, self._columns, self._room = readers, columns, _KEPT
        self._kept: dict[int, pl.DataFrame] = {}

    def __len__(self) -> int:
        return len(self._readers)

    def read(self, n: int, columns: Sequence[str]) -> pl.DataFrame:
        """Some of the columns of part n."""
        if n not in self._kept:
            if self._room <= 0:
                return self._readers[n](columns)
            self._kept[n] = self._readers[n](self._columns)
            self._room -= int(self._kept[n].estimated_size())
        return self._kept[n].select(columns)


def parts_of(folder: Path, name: str, columns: Sequence[str]) -> Parts:
    """Columns of a table, of which no part is read yet; of an empty one there is one part, without rows."""
    readers = [partial(_part, paths, name) for paths in _in_order(folder, name)]
    return Parts(readers or [partial(of_frame, table.empty(name))], columns)


def read(folder: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of all parts of a table, in the order of `table.read`; equal rows, of all columns, are not looked for."""
    import polars as pl

    found = [_part(paths, name, columns) for paths in _in_order(folder, name)]
    return pl.concat(found) if found else of_frame(table.empty(name), columns)


def read_part(folder: Path, name: str, part: str, columns: Sequence[str]) -> pl.DataFrame:
    """Columns of one part of a table; without rows when it is not there."""
    paths = parts.paths(folder / name, part).get(part)
    return _part(paths, name, columns) if paths else of_frame(table.empty(name), columns)


def _in_order(folder: Path, name: str) -> list[list[Path]]:
    """The parts of one file first, then those of several, as `table.read` has them."""
    return sorted(parts.paths(folder / name).values(), key=lambda paths: len(paths) > 1)


def _part(paths: Sequence[Path], name: str, columns: Sequence[str]) -> pl.DataFrame:
    """The columns of one part, from its files."""
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
    import polars as pl

    found = (_part(paths, name, columns).unique(maintain_order=True) for paths in _in_order(folder, name))
    empty = of_frame(table.empty(name), columns)
    return to_frame(pl.concat([empty, *found]).unique(maintain_order=True))


def _categories(rows: pl.DataFrame) -> pl.DataFrame:
    """Every text as a category, whatever it was, but for keys: there are as many as pictures."""
    import polars as pl

    return rows.with_columns(pl.col(pl.String, pl.Null).exclude(KEY).cast(pl.Categorical))
