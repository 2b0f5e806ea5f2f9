"""`store merge`: several results folders in one report."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dumo_bench.storage import merge, parts, table
from dumo_bench.types import canonical

KEY = ("suite", "case", "method", "role", "concept", "metric", "change")
RESULTS = Path(__file__).parents[1] / "results" / "emoji-small"


@pytest.fixture
def halves(tmp_path) -> list[Path]:
    """A folder with the original's rows alone, and one with all others."""
    found = [Path(shutil.copytree(RESULTS, tmp_path / name)) for name in ("a", "b")]
    for n, folder in enumerate(found):
        for path in folder.glob("tables/s*/*.parquet"):
            if ("-original-" in path.name) is (n == 1):
                path.unlink()
    return found


def rows(folder: Path) -> list[str]:
    found = table.records(table.read(folder / "tables", "scores"))
    return sorted(canonical(row) for row in found)


def test_two_halves_are_the_whole_to_the_row_of_the_summary(halves, tmp_path, command):
    said = command("store", "merge", *halves, "--to", tmp_path / "all")
    assert (said.code, said.err) == (0, "")
    assert rows(tmp_path / "all") == rows(RESULTS)
    merged, whole = (
        {tuple(row[name] for name in KEY): row["value"] for row in table.records(table.read_file(place, "summary"))}
        for place in (tmp_path / "all" / "summary.parquet", RESULTS / "summary.parquet")
    )
    assert merged == pytest.approx(whole)
    report = command("report", tmp_path / "all")
    assert "uce" in report.out and "original" in report.out


def test_a_folder_with_itself_is_itself(tmp_path):
    found = merge.merge([RESULTS, RESULTS], tmp_path / "all")
    n = len(rows(RESULTS))
    assert (found.differ, found.twice) == (0, n)
    assert rows(tmp_path / "all") == rows(RESULTS)


def test_what_the_later_folder_measured_counts_and_how_many_differ_is_said(tmp_path, command):
    other = Path(shutil.copytree(RESULTS, tmp_path / "other"))
    path = next(other.glob("tables/scores/*-uce-*.parquet"))
    found = table.records(table.read_file(path, "scores"))
    changed = next(row for row in found if row["value"] is not None)
    changed["value"] += 0.25
    path.unlink()
    table.write_file(path, "scores", found)
    said = command("store", "merge", RESULTS, other, "--to", tmp_path / "all")
    assert f"1 of {len(rows(RESULTS))} scores that two folders have differ" in said.err
    assert rows(tmp_path / "all") == rows(other)
    assert len(parts.paths(tmp_path / "all" / "tables" / "scores", parts.stem(path))[parts.stem(path)]) == 2


def test_the_runs_of_one_request_are_all_kept_each_once(tmp_path):
    from dumo_bench.run import manifest

    merge.merge([RESULTS, RESULTS], tmp_path / "all")
    assert manifest.read_all(tmp_path / "all") == manifest.read_all(RESULTS)


def test_a_folder_that_is_none_and_a_place_that_is_full_are_refused(tmp_path, command):
    assert "holds no tables" in command("store", "merge", tmp_path, "--to", tmp_path / "all").err
    assert "is not empty" in command("store", "merge", RESULTS, "--to", RESULTS).err
