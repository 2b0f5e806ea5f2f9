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


def measured(folder: Path) -> int:
    """How many scores and sets have a number."""
    return sum(int(table.read(folder / "tables", name)["value"].notna().sum()) for name in ("scores", "sets"))


def changed(folder: Path, change) -> None:
    """Every part of the scores of UCE, written anew."""
    for path in folder.glob("tables/scores/*-uce-*.parquet"):
        found = [change(row) for row in table.records(table.read_file(path, "scores"))]
        path.unlink()
        table.write_file(path, "scores", found)


def test_a_folder_that_lacks_pictures_takes_no_number_from_another(tmp_path, command):
    """Each lab made half of the pictures and wrote of the others that they are not there."""
    labs = [Path(shutil.copytree(RESULTS, tmp_path / name)) for name in ("a", "b")]
    lost = {"value": None, "note": "no picture", "reason": "unreadable"}
    for half, lab in enumerate(labs):
        changed(lab, lambda row, half=half: row if (row["seed"] + row["draw"]) % 2 == half else row | lost)
    said = command("store", "merge", *labs, "--to", tmp_path / "all")
    assert (said.code, said.err) == (0, "")
    assert measured(tmp_path / "all") == measured(RESULTS)


def test_two_versions_of_a_scorer_are_refused(tmp_path, command):
    other = Path(shutil.copytree(RESULTS, tmp_path / "other"))
    changed(other, lambda row: row | {"scorer_version": "9"})
    said = command("store", "merge", RESULTS, other, "--to", tmp_path / "all")
    assert said.code == 2 and "was scored by several versions of" in said.err and f"9 in {other}" in said.err


def test_pictures_of_two_edits_of_one_recipe_are_said(tmp_path, command):
    other = Path(shutil.copytree(RESULTS, tmp_path / "other"))
    changed(other, lambda row: row | {"edit": "b" * 64, "prompt_id": f"{row['prompt_id']} again"})
    said = command("store", "merge", RESULTS, other, "--to", tmp_path / "all")
    assert said.code == 0 and "uce on emoji-cartoon, ghost: pictures of several edits of one recipe" in said.err


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
    assert (found.differ, found.twice, found.edits) == (0, measured(RESULTS), ())
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
    assert f"1 of {measured(RESULTS)} numbers that two folders have differ" in said.err
    assert rows(tmp_path / "all") == rows(other)
    assert len(parts.paths(tmp_path / "all" / "tables" / "scores", parts.stem(path))[parts.stem(path)]) == 2


def test_the_runs_of_one_request_are_all_kept_each_once(tmp_path):
    from dumo_bench.run import manifest

    merge.merge([RESULTS, RESULTS], tmp_path / "all")
    assert manifest.read_all(tmp_path / "all") == manifest.read_all(RESULTS)


def test_a_folder_that_is_none_and_a_place_that_is_full_are_refused(tmp_path, command):
    assert "holds no tables" in command("store", "merge", tmp_path, "--to", tmp_path / "all").err
    assert "is not empty" in command("store", "merge", RESULTS, "--to", RESULTS).err
