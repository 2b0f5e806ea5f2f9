"""The tables on disk: how a part is written, read and checked. Their columns are declared in `columns`.

A null value means "not measured". NaN is refused on writing, so it never has to be told apart from null.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.errors import UserError
from dumo_bench.storage import arrow, copies, files, parts, tablefile

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def write_part(folder: Path, name: str, part: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write one part of a table, replacing it; a part that is there is whole."""
    if Path(part).name != part:
        raise ValueError(f"{name}: the part's name {part!r} must be a plain file name: a folder below is never read")
    return write_file(folder / name / f"{part}.parquet", name, rows)


def add(folder: Path, name: str, part: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Add rows to a part, in a file of their own: they count in place of the same rows of earlier files."""
    return write_file(parts.fresh(folder / name, part), name, rows)


def read_part(folder: Path, name: str, part: str) -> pd.DataFrame:
    """One part of a table; empty when it is not there."""
    paths = parts.paths(folder / name, part).get(part)
    return parts.merged(name, [read_file(path, name) for path in paths]) if paths else empty(name)


def names_of_parts(folder: Path, name: str) -> list[str]:
    """The parts of a table, in order."""
    return list(parts.paths(folder / name))


def listing(folder: Path) -> list[str]:
    """The files of all tables: equal listings, equal tables, for a file that is there is never written again."""
    return sorted(f"{path.parent.name}/{path.name}" for path in folder.glob("*/*.parquet"))


def read(folder: Path, name: str) -> pd.DataFrame:
    """All parts of a table, in the order of their names; rows that are equal in every column are given once."""
    import pandas as pd
    import pyarrow as pa

    single, several = [], []
    for paths in parts.paths(folder / name).values():
        if len(paths) == 1:
            single.append(tablefile.load(paths[0], name))
        else:
            several.append(parts.merged(name, [read_file(path, name) for path in paths]))
    alone = [parts.merged(name, [arrow.to_pandas(pa.concat_tables(single))])] if single else []
    whole = pd.concat([*alone, *several], ignore_index=True) if alone or several else empty(name)
    return whole.drop_duplicates(ignore_index=True)


def pairs(folder: Path, name: str) -> list[tuple[str, str]]:
    """The scorers and metrics that occur in a table, without reading the rest of it."""
    paths = sorted((folder / name).glob("*.parquet"))
    return sorted({pair for path in paths for pair in _pairs(path)})


def _pairs(path: Path) -> set[tuple[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with copies.local(path).open("rb") as stream:
            two = pq.read_table(stream, columns=["scorer", "metric"])
    except pa.ArrowInvalid as error:
        raise UserError(f"{path}: not a readable parquet file; delete it and score again") from error
    return set(zip(*(two[column].to_pylist() for column in ("scorer", "metric")), strict=True))


def empty(name: str) -> pd.DataFrame:
    """A table without rows, with its columns and types."""
    return arrow.to_pandas(arrow.schema(name).empty_table())


def frame(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a checked table in memory."""
    return arrow.to_pandas(arrow.made(name, rows))


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries, with None for what is missing: what `write_part` takes."""
    columns = [_cells(column) for _, column in table.items()]
    return [dict(zip(table.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def groups(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The rows by the values of some columns, in order."""
    for key, group in rows.groupby(columns):
        yield tuple(key), group


def _cells(column: pd.Series) -> list[Any]:
    values: list[Any] = column.tolist()
    if not column.hasnans:
        return values
    return [None if missing else value for value, missing in zip(values, column.isna().tolist(), strict=True)]


def write_file(path: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write a table beside its place, then rename it there; a failure leaves nothing half written."""
    import pyarrow.parquet as pq

    whole = arrow.made(name, rows)
    return files.write(path, lambda stream: pq.write_table(whole, stream, compression="zstd", write_page_checksum=True))


def read_file(path: Path, name: str) -> pd.DataFrame:
    """One parquet file as a table."""
    return arrow.to_pandas(tablefile.load(path, name))


def columns(path: Path, name: str, wanted: Sequence[str]) -> pa.Table:
    """Some columns of one parquet file, checked; texts but keys are dictionary-encoded, so that none is held twice."""
    return tablefile.load(path, name, wanted).unify_dictionaries()
