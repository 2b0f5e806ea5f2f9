"""Several programs in one results folder: no row is lost, an edit is fitted once, and nobody waits for the dead."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_table import row

from dumo_bench import progress
from dumo_bench.analysis import summary
from dumo_bench.errors import UserError
from dumo_bench.plugins import loading
from dumo_bench.run import manifest, needs, plan
from dumo_bench.storage import claims, files, parts, table
from dumo_bench.suites import registry

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def heard() -> None:
    """What is said is shown, as the command line shows it, whichever test runs first."""
    progress.listen(logging.INFO)


def scores(**values: Any) -> dict[str, Any]:
    return row("scores", scorer_version="1", **values)


# --- parts


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.floats(0, 1)), min_size=1, max_size=8))
def test_a_part_is_what_was_written_last_of_every_row(tmp_path_factory, written):
    folder, last = tmp_path_factory.mktemp("tables"), {}
    for draw, scorer, value in written:
        table.add(folder, "scores", "p", [scores(draw=draw, scorer=scorer, value=value)])
        last[draw, scorer] = value
    found = table.records(table.read(folder, "scores"))
    assert {(one["draw"], one["scorer"]): one["value"] for one in found} == last and len(found) == len(last)
    assert len(list((folder / "scores").iterdir())) == len(written)  # nothing was written over


def test_a_part_of_an_earlier_version_is_the_oldest_of_its_files(tmp_path):
    table.write_part(tmp_path, "scores", "p", [scores(draw=1, value=0.0), scores(draw=2, value=0.0)])
    table.add(tmp_path, "scores", "p", [scores(draw=1, value=1.0)])
    found = {one["draw"]: one["value"] for one in table.records(table.read_part(tmp_path, "scores", "p"))}
    assert found == {1: 1.0, 2: 0.0}


def test_versions_of_a_scorer_never_mix_in_a_part(tmp_path):
    table.add(tmp_path, "scores", "p", [scores(draw=1), scores(draw=2)])
    table.add(tmp_path, "scores", "p", [scores(draw=1) | {"scorer_version": "2"}])
    found = table.records(table.read(tmp_path, "scores"))
    assert [(one["draw"], one["scorer_version"]) for one in found] == [(1, "2")]


def test_two_that_write_at_the_same_moment_have_files_of_their_own(tmp_path):
    names = {parts.fresh(tmp_path, "p").name for _ in range(50)}
    assert len(names) == 50 and {name.partition("-")[0] for name in names} == {"p~000001"}


def test_of_a_picture_the_boxes_that_were_found_last_count(tmp_path):
    def box(key: str, label: str) -> dict[str, Any]:
        return row("detections", key=key, label=label)

    table.add(tmp_path, "detections", "p", [box("a", "FACE"), box("a", "FEET"), box("b", "FACE"), box("c", "FACE")])
    table.add(tmp_path, "detections", "p", [box("a", "BELLY"), box("b", parts.NOTHING)])
    found = table.records(table.read(tmp_path, "detections"))
    assert sorted((one["key"], one["label"]) for one in found) == [("a", "BELLY"), ("c", "FACE")]


@dataclass(frozen=True)
class Named:
    """Which of several programs scores, and where."""

    name: str
    folder: Path


def score_as(one: Named, begin: Any) -> None:
    """Score the same pictures by a scorer of that name, when all are ready."""
    import tiny_models
    from fakes import Brightness
    from test_score import ABOUT

    from dumo_bench.run import score
    from dumo_bench.types import Metric, Score

    class Mine(Brightness):
        name = one.name  # type: ignore[misc]
        metrics = (Metric(one.name, "0 to 1", "neither"),)

        def score(self, samples):  # type: ignore[no-untyped-def]
            return [[Score(one.name, 0.5)] for _ in samples]

    samples = tiny_models.samples(one.folder / one.name, 4)
    begin.wait()
    for _ in range(3):
        score.score(samples, [Mine()], one.folder / "tables", ABOUT)
        summary.write(one.folder)


def test_of_two_that_score_at_once_no_row_is_lost(tmp_path):
    begin = SPAWN.Barrier(2)
    both = [SPAWN.Process(target=score_as, args=(Named(name, tmp_path), begin)) for name in ("one", "two")]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    found = table.records(table.read(tmp_path / "tables", "scores"))
    assert sorted(one["scorer"] for one in found) == ["one"] * 4 + ["two"] * 4
    assert {one["scorer"] for one in table.records(summary.read(tmp_path))} == {"one", "two"}
    assert len(table.read(tmp_path / "tables", "metrics")) == 2


def note_as(one: Named, suite: Path, begin: Any) -> None:
    request = plan.Request("original", str(suite), shard=(int(one.name), 2))
    of = plan.make(request, lambda spec, settings: loading.make("methods", spec, settings))
    begin.wait()
    for n in range(5):
        manifest.write(one.folder, request, of, [f"scorer{one.name}"], {"made": 1, "by": one.name, "n": n})


def test_of_two_shards_that_end_together_no_run_is_lost(bare_suite, tmp_path):
    begin = SPAWN.Barrier(2)
    both = [SPAWN.Process(target=note_as, args=(Named(name, tmp_path), bare_suite, begin)) for name in "01"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    (found,) = manifest.read_all(tmp_path)
    assert sorted((run["by"], run["n"]) for run in found["runs"]) == [(by, n) for by in "01" for n in range(5)]
    assert found["scorers"] == ["scorer0", "scorer1"]
    assert [file.suffix for file in (tmp_path / "runs").iterdir()] == [".json"]


# --- claims


def test_a_refusal_waits_for_whoever_writes_its_manifest(bare_suite, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claims, "LOOK", 0.02)
    request, suite = plan.Request("original", str(bare_suite)), registry.load(str(bare_suite))
    place, ready = manifest.path(tmp_path, request, suite.name, "original"), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(place, ready, 0.5))
    other.start()
    assert ready.wait(60)
    manifest.refuse(tmp_path, request, needs.NotApplicable("why", "original", "m", suite, suite.cases))
    assert "waiting" in capsys.readouterr().err and [one["not_applicable"] for one in manifest.read_all(tmp_path)]
    other.join()


def hold(path: Path, ready: Any, seconds: float) -> None:
    with claims.claimed(path, lambda: False, "k") as mine:
        assert mine
        ready.set()
        time.sleep(seconds)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(claims, "LOOK", 0.02)
    return tmp_path / "edits" / "k"


def test_what_is_done_is_not_claimed(place):
    with claims.claimed(place, lambda: True, "k") as mine:
        assert not mine
    assert not place.parent.exists()


def test_a_claim_goes_when_it_is_over_and_when_it_fails(place, capsys):
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), claims.claimed(place, lambda: False, "k") as mine:
            assert mine and len(list(place.parent.iterdir())) == 1
            raise ZeroDivisionError
        assert list(place.parent.iterdir()) == []
    assert capsys.readouterr().err == ""


def test_who_waits_says_so_once_and_takes_what_was_done(place, capsys):
    looks, ready = itertools.count(), SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(place, ready, 60))
    other.start()
    assert ready.wait(60)

    with claims.claimed(place, lambda: next(looks) == 5, "fit x: a\x1b[31m cat") as mine:
        assert not mine
    (told,) = capsys.readouterr().err.splitlines()
    assert f"a\N{REPLACEMENT CHARACTER}[31m cat: process {other.pid} on " in told and "waiting" in told
    other.kill()
    other.join()


def test_nobody_waits_for_a_process_that_was_killed(place):
    ready = SPAWN.Event()
    other = SPAWN.Process(target=hold, args=(place, ready, 60))
    other.start()
    assert ready.wait(60)
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    began = time.monotonic()
    with claims.claimed(place, lambda: False, "k") as mine:
        assert mine and time.monotonic() - began < 5
    assert list(place.parent.iterdir()) == []


@pytest.mark.parametrize("text", [json.dumps({"host": "elsewhere", "pid": 1, "beat": "0"}), "", "[]", "{", "\x00"])
def test_a_claim_without_a_sign_of_life_is_given_up(place, monkeypatch, text):
    monkeypatch.setattr(claims, "EXPIRY", 0.3)
    place.parent.mkdir()
    place.with_name("k.claim7").write_text(text)
    began = time.monotonic()
    with claims.claimed(place, lambda: False, "k") as mine:
        assert mine and time.monotonic() - began > 0.3
        assert [one.name for one in place.parent.iterdir()] == ["k.claim8"]


def test_a_claim_that_shows_life_is_waited_for(place, monkeypatch):
    monkeypatch.setattr(claims, "EXPIRY", 0.5)
    place.parent.mkdir()
    theirs, began = place.with_name("k.claim1"), time.monotonic()

    def done() -> bool:
        theirs.write_text(json.dumps({"host": "elsewhere", "beat": time.monotonic()}))
        return time.monotonic() - began > 1.5

    with claims.claimed(place, done, "k") as mine:
        assert not mine


def test_a_holder_that_comes_back_does_not_make_its_claim_anew(place, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.02)
    with claims.claimed(place, lambda: False, "k"):
        (theirs,) = place.parent.iterdir()
        theirs.unlink()
        time.sleep(0.2)
        assert not theirs.exists()


def test_a_claim_that_a_full_disk_cut_short_is_not_waited_for(place, monkeypatch):
    def full(beat: int) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(claims, "_said", full)
    with pytest.raises(UserError, match="is full: free some space"), claims.claimed(place, lambda: False, "k"):
        pytest.fail("it is not ours")
    assert list(place.parent.iterdir()) == []


# --- what is half written


def test_partial_files_of_two_machines_and_of_one_process_have_different_names(tmp_path):
    seen: list[str] = []

    def look(stream: Any) -> None:
        seen.append(Path(stream.name).name)

    for _ in range(2):
        files.write(tmp_path / "a", look)
    assert len(set(seen)) == 2 and all(files.HOST in name and name.endswith(".partial") for name in seen)


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    assert files.write_text(tmp_path / ("a" * 255), "x").exists()


def test_old_partial_files_are_cleared_and_new_ones_stay(tmp_path):
    old, new = tmp_path / "images" / ".h-1-0000000a.partial", tmp_path / ".h-2-0000000b.partial"
    old.parent.mkdir()
    for path in (old, new, tmp_path / "mine.txt"):
        path.write_text("x")
    os.utime(old, (0, 0))
    assert files.clear(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".h-2-0000000b.partial", "images", "mine.txt"]


# --- the real program

SLOW = '''
import time
from pathlib import Path
from fakes import Scaled

class Slow(Scaled):
    """Takes a while, and counts how often it was fitted."""
    def fit(self, host, erase, *, seed):
        with Path("{log}").open("a") as log:
            log.write("fit\\\\n")
        time.sleep(25)
        return super().fit(host, erase, seed=seed)
'''


@pytest.mark.slow  # two programs that import torch, twice
@pytest.mark.parametrize("killed", [False, True])
def test_two_programs_that_start_together_fit_once(tiny_suite, tmp_path, killed):
    log = tmp_path / "log"
    (tmp_path / "slow.py").write_text(SLOW.format(log=log))
    code = "from dumo_bench.cli.app import main; main()"
    argv = ("fit", "-m", f"{tmp_path}/slow.py:Slow", "-s", str(tiny_suite), "--out", str(tmp_path / "out"))
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen([sys.executable, "-c", code, *argv], env=env, text=True, stderr=subprocess.PIPE)

    first = start()
    while not log.exists():
        time.sleep(0.1)
    second = start()
    said = next(line for line in second.stderr or () if "waiting" in line)
    assert said.startswith(f"fit scaled: cat: process {first.pid} on ")
    if killed:
        first.kill()
    second.communicate()
    first.communicate()
    assert second.returncode == 0
    assert log.read_text().count("fit") == 1 + killed
    assert [path.suffix for path in (tmp_path / "out" / "edits").iterdir()] == [".safetensors"]
