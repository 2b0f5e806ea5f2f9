"""The committed small run is what a new one is held to, and a number that moved is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import reproduced


@pytest.fixture
def again(tmp_path) -> Path:
    """A results folder with the committed tables."""
    return Path(shutil.copytree(reproduced.COMMITTED, tmp_path / "again"))


def test_the_same_numbers_are_the_same(again, capsys):
    assert reproduced.main([str(again)]) == 0
    said = capsys.readouterr().out
    assert "judge.erased" in said and "0 differ significantly" in said
    assert len(reproduced.pairs(again)) > 50


def test_a_rate_that_moved_is_found_and_named(again, capsys):
    for path in again.glob("tables/scores/*-uce-*.parquet"):
        table = pq.read_table(path)
        names, values = table["metric"].to_pylist(), table["value"].to_pylist()
        moved = [0.0 if n == "judge.object" else v for n, v in zip(names, values, strict=True)]
        place = table.schema.get_field_index("value")
        pq.write_table(table.set_column(place, table.schema.field("value"), [moved]), path)
    assert reproduced.main([str(again)]) == 1
    first, *_, last = capsys.readouterr().out.splitlines()
    assert "judge.object" in first and "0 differ" not in last


def test_a_folder_with_nothing_to_pair_is_said(tmp_path, capsys):
    assert reproduced.main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
