"""A loss of power takes nothing that was finished, and leaves nothing half written under its name."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from disk import Disk, restored

from dumo_bench.storage import files, table

RUN = ("run", "-m", "uce", "--device", "cpu", "--scorers", "clip_score", "--batch-size", "2", "-s")


def kept(files_of: dict[str, bytes]) -> dict[str, bytes]:
    """What a run is for: all but checksums, claims and what is half written."""
    lasting = ("images/", "edits/", "tables/", "runs/", "summary")
    return {name: raw for name, raw in files_of.items() if name.startswith(lasting) and ".claim" not in name}


def there(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_content_then_name_then_folder(tmp_path, monkeypatch):
    disk = Disk(tmp_path).install(monkeypatch)
    files.write_bytes(tmp_path / "a" / "b" / "c.bin", b"content")
    made = [("fsync folder", "."), ("fsync folder", "a")]  # the new folders are in theirs
    (synced, partial), *rest = disk.calls[2:]
    assert disk.calls[:2] == made and synced == "fsync file" and partial.endswith(".partial")
    assert rest == [("rename", "a/b/c.bin"), ("fsync folder", "a/b")]


@pytest.mark.parametrize("names", ["safe", "now"])
def test_a_file_is_whole_or_not_there_at_every_moment_and_stays_once_it_is_written(tmp_path, monkeypatch, names):
    disk = Disk(tmp_path).install(monkeypatch)
    files.write_bytes(tmp_path / "a" / "b.bin", b"first" * 1000)
    first = len(disk.moments)
    files.write_bytes(tmp_path / "a" / "b.bin", b"second" * 1000)
    seen = [disk.left(n, names=names).get("a/b.bin") for n in range(len(disk.moments))]
    assert {*seen[: first - 1]} <= {None, b"first" * 1000}
    assert seen[first - 1] == b"first" * 1000 and {*seen[first:]} <= {b"first" * 1000, b"second" * 1000}
    assert seen[-1] == b"second" * 1000


@pytest.fixture
def calm(command, tiny_suite, tmp_path) -> Path:
    said = command(*RUN, tiny_suite, "-o", tmp_path / "calm")
    assert said.code == 0, said.err
    return tmp_path / "calm"


def same(one: Path, other: Path) -> None:
    """Pictures byte for byte, edits by what the tables call them, scores and summary row by row."""
    pictures = [{path.name: path.read_bytes() for path in out.glob("images/*/*.png")} for out in (one, other)]
    assert pictures[0] == pictures[1] != {}
    rows = [sorted(map(repr, table.records(table.read(out / "tables", "scores")))) for out in (one, other)]
    assert rows[0] == rows[1] != []
    both = [
        sorted(map(repr, table.records(table.read_file(out / "summary.parquet", "summary")))) for out in (one, other)
    ]
    assert both[0] == both[1] != []


def test_all_that_a_run_made_is_there_after_a_loss_of_power(command, tiny_suite, tmp_path, monkeypatch):
    disk = Disk(tmp_path / "lost").install(monkeypatch)
    said = command(*RUN, tiny_suite, "-o", disk.root)
    assert said.code == 0, said.err
    whole = kept(there(disk.root))
    assert {Path(name).suffix for name in whole} >= {".png", ".safetensors", ".parquet", ".json"}
    assert kept(disk.left(-1)) == whole


def test_a_run_goes_on_after_a_loss_of_power_at_any_moment(command, tiny_suite, calm, tmp_path, monkeypatch):
    with monkeypatch.context() as watched:
        disk = Disk(tmp_path / "lost").install(watched)
        assert command(*RUN, tiny_suite, "-o", disk.root).code == 0
    draw: Any = random.Random(0)
    for n in draw.sample(range(len(disk.moments)), 3):
        out = restored(disk.left(n, names=draw.choice(["safe", "now"])), tmp_path / f"after{n}")
        said = command(*RUN, tiny_suite, "-o", out)
        assert said.code == 0, said.err
        same(out, calm)
