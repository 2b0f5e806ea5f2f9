"""The tables on disk keep what was measured, refuse what is wrong, and are described by their page."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dumo_bench.errors import UserError
from dumo_bench.storage import arrow, columns, table
from dumo_bench.storage.columns import COLUMNS

ROOT = Path(__file__).parents[1]
JSON = {"params": "{}", "erase": "[]", "convention": "{}"}
EXAMPLES = {"text": "x", "integer": 1, "number": 0.5, "yes/no": True}


def row(name: str, **values: Any) -> dict[str, Any]:
    plain = {column.name: JSON.get(column.name, [*column.among, EXAMPLES[column.type]][0]) for column in COLUMNS[name]}
    return plain | values


def test_the_page_of_docs_describes_every_column():
    assert (ROOT / "docs/tables.md").read_text(encoding="utf-8") == columns.schema_page()


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_without_parts_is_empty_and_has_its_columns_and_types(tmp_path, name):
    found, full = table.read(tmp_path, name), table.frame(name, [row(name)])
    assert found.empty
    assert list(found.dtypes.items()) == list(full.dtypes.items())
    assert list(found.columns) == columns.names(name)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_file_has_the_declared_schema_and_its_version(tmp_path, name):
    path = table.write_part(tmp_path, name, "a", [row(name)])
    found = pq.read_schema(path)
    assert found.equals(arrow.schema(name), check_metadata=True)
    assert found.metadata[b"dumo_bench_schema"].decode() == columns.SCHEMA_VERSION


@settings(deadline=None)  # parquet is slow on a busy machine
@given(st.lists(st.none() | st.floats(-columns.MOST, columns.MOST), max_size=8))
def test_what_is_written_is_read_back_and_missing_stays_missing(tmp_path_factory, values):
    rows = [row("scores", value=value, draw=i) for i, value in enumerate(values)]
    folder = tmp_path_factory.mktemp("tables")
    table.write_part(folder, "scores", "a", rows)
    found = table.records(table.read_part(folder, "scores", "a"))
    assert found == rows
    table.write_part(folder, "scores", "b", found)
    assert table.records(table.read(folder, "scores")) == rows


def test_a_null_is_not_an_average():
    frame = table.frame("scores", [row("scores", value=1.0), row("scores", value=None)])
    assert frame["value"].mean() == 1.0
    assert frame["value"].isna().tolist() == [False, True]


def test_all_parts_are_read_as_one_table_and_a_part_is_replaced(tmp_path):
    table.write_part(tmp_path, "scores", "a", [row("scores", draw=1)])
    table.write_part(tmp_path, "scores", "b", [row("scores", draw=2)])
    table.write_part(tmp_path, "scores", "a", [row("scores", draw=3)])
    assert table.read(tmp_path, "scores")["draw"].tolist() == [3, 2]


def test_equal_rows_of_two_workers_count_once(tmp_path):
    for part in ("a", "b"):
        table.write_part(tmp_path, "detections", part, [row("detections")])
    assert len(table.read(tmp_path, "detections")) == 1


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e101])
def test_nan_is_refused(tmp_path, value):
    with pytest.raises(ValueError, match=r"scores\.value holds no number"):
        table.write_part(tmp_path, "scores", "a", [row("scores", value=value)])
    assert list(tmp_path.iterdir()) == []


def test_only_a_nullable_column_may_be_missing(tmp_path):
    with pytest.raises(ValueError, match=r"scores\.note may not be missing"):
        table.write_part(tmp_path, "scores", "a", [row("scores", note=None)])


def test_an_unknown_column_is_refused_with_the_nearest_known(tmp_path):
    with pytest.raises(ValueError, match="'valeu', the nearest known is 'value'"):
        table.write_part(tmp_path, "scores", "a", [row("scores", valeu=1.0)])


def test_a_missing_column_is_refused(tmp_path):
    short = row("scores")
    del short["draw"]
    with pytest.raises(ValueError, match="'draw' is missing"):
        table.write_part(tmp_path, "scores", "a", [row("scores"), short])


def test_a_part_in_a_subfolder_is_refused_because_it_would_not_be_read(tmp_path):
    with pytest.raises(ValueError, match="plain file name"):
        table.write_part(tmp_path, "scores", "a/b", [row("scores")])


def _rewritten(path: Path, version: str, drop: str | None = None) -> None:
    whole = pq.read_table(path)
    whole = whole.drop_columns([drop]) if drop else whole
    pq.write_table(whole.replace_schema_metadata({b"dumo_bench_schema": version}), path)


def test_another_schema_version_is_an_error_that_names_both_and_what_to_do(tmp_path):
    path = table.write_part(tmp_path, "scores", "a", [row("scores")])
    _rewritten(path, "0")
    with pytest.raises(UserError, match=r"schema version 0, this program reads 1 and 2.*--out"):
        table.read(tmp_path, "scores")


def test_a_file_of_another_program_is_an_error(tmp_path):
    path = tmp_path / "scores" / "a.parquet"
    path.parent.mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(path)
    with pytest.raises(UserError, match="schema version none"):
        table.read(tmp_path, "scores")


def test_a_file_that_lacks_a_column_is_an_error_that_names_it(tmp_path):
    path = table.write_part(tmp_path, "scores", "a", [row("scores")])
    _rewritten(path, columns.SCHEMA_VERSION, drop="metric")
    with pytest.raises(UserError, match="'metric' is missing"):
        table.read(tmp_path, "scores")


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("value", ["much"], "string, wanted double"),
        ("value", [float("nan")], "no number in some rows"),
        ("value", [-float("inf")], "no number in some rows"),
        ("value", [1e101], "no number in some rows, or one too large to be averaged"),
        ("role", ["nonsense"], "'nonsense' in some rows, wanted target, related, unrelated, attack"),
        ("draw", [[1]], "list<.*>, wanted int64"),
        ("draw", [None], "missing in some rows"),
        ("method", [b"\xff\xfe"], "binary, wanted string"),
        ("params", ["{"], "no JSON of a dict"),
        ("params", ["[]"], "no JSON of a dict"),
        ("erase", ["3"], "no JSON of a list"),
        ("erase", ["[" * 100_000], "no JSON of a list"),
    ],
)
def test_a_column_of_a_wrong_type_is_an_error_that_names_it(tmp_path, column, cells, said):
    import pyarrow as pa

    path = table.write_part(tmp_path, "scores", "a", [row("scores")])
    whole = pq.read_table(path)
    pq.write_table(whole.set_column(whole.column_names.index(column), column, pa.array(cells)), path)
    with pytest.raises(UserError, match=rf"a\.parquet: the column '{column}' is {said}"):
        table.read(tmp_path, "scores")


def test_a_file_that_was_written_before_a_column_was_added_has_null_in_it(tmp_path):
    path = table.write_file(tmp_path / "summary.parquet", "summary", [row("summary", expected=7, partial=True)])
    assert table.records(table.read_file(path, "summary"))[0]["expected"] == 7
    for column in ("expected", "partial"):
        _rewritten(path, columns.SCHEMA_VERSION, drop=column)
    (found,) = table.records(table.read_file(path, "summary"))
    assert (found["expected"], found["partial"], found["metric"]) == (None, None, row("summary")["metric"])


def test_a_broken_file_is_an_error_that_names_it(tmp_path):
    path = table.write_part(tmp_path, "scores", "a", [row("scores")])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(UserError, match=r"a\.parquet: not a readable"):
        table.read(tmp_path, "scores")


def test_a_full_disk_leaves_the_old_part_and_no_half_file(tmp_path, monkeypatch):
    path = table.write_part(tmp_path, "scores", "a", [row("scores", draw=1)])

    def full(whole: Any, stream: IO[bytes], **_: Any) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(UserError, match=r"the disk of .* is full"):
        table.write_part(tmp_path, "scores", "a", [row("scores", draw=2)])
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == [path]
    assert table.read(tmp_path, "scores")["draw"].tolist() == [1]


def test_a_bit_that_flips_in_a_file_of_a_table_never_changes_a_number(tmp_path):
    path = table.write_part(tmp_path, "scores", "p", [row("scores", draw=n, value=n / 7) for n in range(50)])
    raw, before = path.read_bytes(), table.records(table.read(tmp_path, "scores"))
    draw, told = random.Random(0), 0
    for _ in range(400):
        harmed = bytearray(raw)
        harmed[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
        path.write_bytes(harmed)
        try:
            assert table.records(table.read(tmp_path, "scores")) == before
        except UserError:
            told += 1
    assert told > 100
