"""Rows as a table in memory with the declared columns and types (`columns`), in pyarrow and in pandas."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dumo_bench.storage.columns import COLUMNS, SCHEMA_VERSION, Column, measurable, names

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

VERSION_KEY = b"dumo_bench_schema"


def schema(table: str) -> pa.Schema:
    """The parquet schema of a table, with its version in the metadata."""
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "yes/no": pa.bool_()}
    fields = [pa.field(column.name, types[column.type], nullable=column.null) for column in COLUMNS[table]]
    return pa.schema(fields, metadata={VERSION_KEY: SCHEMA_VERSION.encode()})


def made(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a checked table; ValueError where a column is missing, unknown, or holds what it may not."""
    import pyarrow as pa

    unsaid = {column.name: None for column in COLUMNS[name] if column.late}
    rows = [{**unsaid, **row} for row in rows]
    for keys in {tuple(row) for row in rows}:
        if wrong := mismatch(name, keys):
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


def mismatch(name: str, found: Iterable[str]) -> str:
    """What is wrong with these column names, or nothing."""
    have, known = set(found), names(name)
    if unknown := sorted(have - set(known)):
        near = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0)
        return f"unknown column {unknown[0]!r}, the nearest known is {near[0]!r}"
    missing = [column for column in known if column not in have]
    return f"column {missing[0]!r} is missing" if missing else ""


def with_late(name: str, found: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """The wanted columns, with null in those that were added after the file was written."""
    import pyarrow as pa

    late = [column for column in wanted if column not in found.column_names]
    for column in late:
        found = found.append_column(schema(name).field(column), pa.nulls(len(found), schema(name).field(column).type))
    return found.select([column for column in names(name) if column in wanted])


def to_pandas(whole: pa.Table) -> pd.DataFrame:
    """With pandas' own missing value in numbers, and in whole ones that may be missing."""
    import pandas as pd
    import pyarrow as pa

    nullable = {pa.float64(): pd.Float64Dtype(), pa.bool_(): pd.BooleanDtype()}
    found: pd.DataFrame = whole.to_pandas(types_mapper=nullable.get)
    counts = [field.name for field in whole.schema if field.nullable and field.type == pa.int64()]
    return found.astype(dict.fromkeys(counts, "Int64"))
