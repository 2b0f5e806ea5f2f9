"""A parquet file of a table, read and checked: what is wrong with it is said with what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.errors import UserError
from dumo_bench.storage import arrow, copies, version1
from dumo_bench.storage.columns import COLUMNS, KEY, MOST, SCHEMA_VERSION, names

if TYPE_CHECKING:
    import pyarrow as pa


def load(path: Path, name: str, wanted: Sequence[str] = ()) -> pa.Table:
    """A file's columns, all or those wanted, checked; a file of an earlier version as one of today."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = {column.name for column in COLUMNS[name] if column.type == "text" and column.name != KEY and wanted}
    try:
        # Its own file handle: with a path, a folder called "method=x" would add a column.
        with copies.local(path).open("rb") as stream:
            about = pq.read_metadata(stream)
            version = (about.metadata or {}).get(arrow.VERSION_KEY, b"none").decode()
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
    if wrong := arrow.mismatch(name, {*there, *late}):
        raise UserError(f"{path}: {wrong}; delete it and score again")
    return _typed(path, name, arrow.with_late(name, found, wanted or names(name)))


#: columns that hold JSON, and of what type
_JSON: Mapping[str, type] = {"params": dict, "erase": list, "convention": dict}


def _typed(path: Path, name: str, found: pa.Table) -> pa.Table:
    """The table with the declared types; one that cannot have them is told with its first odd column.

    Texts may be dictionary-encoded, and then stay so.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    whole, fields, cells = arrow.schema(name), [], []
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
