"""The tables on disk: how a part is written, read and checked. Their columns are declared in `columns`.

A null value means "not measured". NaN is refused on writing, so it never has to be told apart from null.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.errors import UserError
from dumo_bench.storage import copies, files, parts, version1
from dumo_bench.storage.columns import COLUMNS, KEY, MOST, SCHEMA_VERSION, Column, measurable, names

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_VERSION_KEY = b"dumo_bench_schema"


def schema(table: str) -> pa.Schema:
    """The parquet schema of a table, with its version in the metadata."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "yes/no": pa.bool_()}
    fields = [pa.field(column.name, types[column.type], nullable=column.null) for column in COLUMNS[table]]
    return pa.schema(fields, metadata={_VERSION_KEY: SCHEMA_VERSION.encode()})


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
            single.append(_load(paths[0], name))
        else:
            several.append(parts.merged(name, [read_file(path, name) for path in paths]))
    alone = [parts.merged(name, [_to_pandas(pa.concat_tables(single))])] if single else []
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
    return _to_pandas(schema(name).empty_table())


def frame(name: str, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a checked table in memory."""
    return _to_pandas(_arrow(name, rows))


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

    whole = _arrow(name, rows)
    return files.write(path, lambda stream: pq.write_table(whole, stream, compression="zstd", write_page_checksum=True))


def read_file(path: Path, name: str) -> pd.DataFrame:
    """One parquet file as a table."""
    return _to_pandas(_load(path, name))


def columns(path: Path, name: str, wanted: Sequence[str]) -> pa.Table:
    """Some columns of one parquet file, checked; texts but keys are dictionary-encoded, so that none is held twice."""
    return _load(path, name, wanted).unify_dictionaries()


def _load(path: Path, name: str, wanted: Sequence[str] = ()) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {column.name for column in COLUMNS[name] if column.type == "text" and column.name != KEY and wanted}
    try:
        # Its own file handle: with a path, a folder called "method=x" would add a column.
        with copies.local(path).open("rb") as stream:
            about = pq.read_metadata(stream)
            version = (about.metadata or {}).get(_VERSION_KEY, b"none").decode()
            there = about.schema.to_arrow_schema().names
            file = pq.ParquetFile(
                stream,
                metadata=about,
                read_dictionary=[one for one in there if one in texts],
                page_checksum_verification=True,  # of pages that have one: those of earlier versions have none
            )
            few = [column for column in wanted if column in there] if version == SCHEMA_VERSION else []
            found = file.read(few or None)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's, and no broken file
            raise
        raise UserError(f"{path}: not a readable parquet file; delete it and score again") from error
    if version == version1.VERSION:
        try:
            found = version1.upgraded(name, found)
        except (pa.ArrowException, AttributeError, TypeError, ValueError, KeyError) as error:
            raise UserError(f"{path}: its columns are not those of version {version}; score again") from error
        there = found.column_names
    elif version != SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {version}, this program reads {version1.VERSION} and {SCHEMA_VERSION}: "
            "score again into a new --out folder, or use the version of dumo-bench that wrote it"
        )
    late = {column.name for column in COLUMNS[name] if column.late}
    if wrong := _mismatch(name, {*there, *late}):
        raise UserError(f"{path}: {wrong}; delete it and score again")
    return _typed(path, name, _with_late(name, found, wanted or names(name)))


#: columns that hold JSON, and of what type
_JSON: Mapping[str, type] = {"params": dict, "erase": list, "convention": dict}


def _typed(path: Path, name: str, found: pa.Table) -> pa.Table:
    """The table with the declared types; one that cannot have them is told with its first odd column.

    Texts may be dictionary-encoded, and then stay so.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    whole, fields, cells = schema(name), [], []
    for column in (column for column in COLUMNS[name] if column.name in found.column_names):
        own, wanted = found.column(column.name), whole.field(column.name).type
        if pa.types.is_dictionary(own.type):
            wanted = pa.dictionary(own.type.index_type, wanted)
        try:
            cells.append(own.cast(wanted))
        except pa.ArrowException as error:
            raise _odd(path, column.name, f"{own.type}, wanted {wanted}") from error
        fields.append(pa.field(column.name, wanted, nullable=column.null))
        if own.null_count and not column.null:
            raise _odd(path, column.name, "missing in some rows")
        if column.type == "number" and pc.all(pc.less_equal(pc.abs(cells[-1]), MOST)).as_py() is False:
            raise _odd(path, column.name, "no number in some rows, or one too large to be averaged")
        if column.among and (odd := [cell for cell in own.unique().to_pylist() if cell not in column.among]):
            raise _odd(path, column.name, f"{odd[0]!r} in some rows, wanted {', '.join(column.among)}")
        if column.name in _JSON and not _json(own, _JSON[column.name]):
            raise _odd(path, column.name, f"no JSON of a {_JSON[column.name].__name__}")
    return pa.table(cells, schema=pa.schema(fields, metadata=whole.metadata))


def _json(cells: pa.ChunkedArray, kind: type) -> bool:
    try:
        return all(isinstance(json.loads(text), kind) for text in cells.unique().to_pylist())
    except (ValueError, RecursionError):
        return False


def _odd(path: Path, column: str, what: str) -> UserError:
    return UserError(f"{path}: the column {column!r} is {what}; delete the file and score again")


def _with_late(name: str, found: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """The wanted columns, with null in those that were added after the file was written."""
    import pyarrow as pa

    late = [column for column in wanted if column not in found.column_names]
    for column in late:
        found = found.append_column(schema(name).field(column), pa.nulls(len(found), schema(name).field(column).type))
    return found.select([column for column in names(name) if column in wanted])


def _arrow(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    import pyarrow as pa

    unsaid = {column.name: None for column in COLUMNS[name] if column.late}
    rows = [{**unsaid, **row} for row in rows]
    for keys in {tuple(row) for row in rows}:
        if wrong := _mismatch(name, keys):
            raise ValueError(f"{name}: {wrong}")
    columns = [[_plain(row[column.name]) for row in rows] for column in COLUMNS[name]]
    for column, cells in zip(COLUMNS[name], columns, strict=True):
        _check(name, column, cells)
    wanted = schema(name)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, wanted, strict=True)], schema=wanted)


def _check(name: str, column: Column, cells: Sequence[Any]) -> None:
    if not column.null and any(cell is None for cell in cells):
        raise ValueError(f"{name}.{column.name} may not be missing")
    if any(isinstance(cell, float) and not measurable(cell) for cell in cells):
        raise ValueError(f"{name}.{column.name} holds no number, or infinity: write None, and a note that says why")


def _plain(cell: Any) -> Any:
    """numpy's numbers as Python's; pandas' missing value as None."""
    if type(cell).__name__ == "NAType":
        return None
    return cell.item() if hasattr(cell, "item") else cell


def _mismatch(name: str, found: Iterable[str]) -> str:
    """What is wrong with these column names, or nothing."""
    have, known = set(found), names(name)
    if unknown := sorted(have - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0)
        return f"unknown column {unknown[0]!r}, the nearest known is {near[0]!r}"
    missing = [column for column in known if column not in have]
    return f"column {missing[0]!r} is missing" if missing else ""


def _to_pandas(whole: pa.Table) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.float64(): pd.Float64Dtype(), pa.bool_(): pd.BooleanDtype()}
    found: pd.DataFrame = whole.to_pandas(types_mapper=nullable.get)
    counts = [field.name for field in whole.schema if field.nullable and field.type == pa.int64()]
    return found.astype(dict.fromkeys(counts, "Int64"))
