"""Runs into an object store: what a local folder would hold, whoever writes at once, and whatever stops on the way.

The programs are real processes, the client of S3 is real, and the server is moto's, on this machine. With one thread,
as everywhere (docs/conventions.md).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import object_store
import pytest

from dumo_bench.analysis import summary
from dumo_bench.storage import remote, table
from dumo_bench.storage.edits import read as read_edit

ROOT = Path(__file__).parents[1]
CODE = "from dumo_bench.cli.app import main; main()"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A slice of emoji-cartoon, in two steps."""
    path = tmp_path_factory.mktemp("suite") / "slice.toml"
    text = (ROOT / "prompts" / "emoji-cartoon.toml").read_text()
    path.write_text(text.replace("steps = 20", "steps = 2"))
    return ["-m", "uce", "-s", str(path), "-c", "ghost", "--limit", "6", "--batch-size", "2"]


@pytest.fixture(scope="module", autouse=True)
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with object_store.server() as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("OMP_NUM_THREADS", "1")
        with object_store.spoken_to(address, patch):
            yield


@pytest.fixture(autouse=True)
def own_cache() -> None:
    """The one of this module: processes share it."""


def start(words: list[str], out: str) -> subprocess.Popen[str]:
    argv = ["run", *words, "--scorers", "concept,likeness", "--out", out]
    return subprocess.Popen(
        [sys.executable, "-c", CODE, *argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def ended(run: subprocess.Popen[str]) -> None:
    said, _ = run.communicate(timeout=500)
    assert run.returncode == 0, said


@pytest.fixture(scope="module")
def calm(words: list[str], s3: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results folder of this machine, of a run that nothing disturbs."""
    out = tmp_path_factory.mktemp("calm")
    ended(start(words, str(out)))
    return out


@pytest.fixture(scope="module")
def shared(words: list[str], s3: None) -> Path:
    """A folder in a store into which two programs write at once, the same of each."""
    out = object_store.bucket()
    for run in [start(words, out) for _ in range(2)]:
        ended(run)
    return remote.place(out)


def pictures(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("images/*/*.png")}


def edits(out: Path) -> dict[str, Any]:
    """What was learnt; what it cost is each run's own."""
    return {
        path.name: {name: tensor.tolist() for name, tensor in read_edit(path).tensors.items()}
        for path in out.glob("edits/*")
    }


def rows(out: Path, name: str) -> list[str]:
    """The rows of a table that were measured; no two are equal."""
    return sorted(map(repr, table.records(table.read(out / "tables", name))))


def same(out: Path, calm: Path) -> None:
    assert pictures(out) == pictures(calm) and len(pictures(calm)) == 12
    assert edits(out) == edits(calm) and len(edits(calm)) == 1
    for name in ("scores", "sets", "metrics"):
        assert rows(out, name) == rows(calm, name) != []
    assert table.records(summary.read(out)) == table.records(summary.read(calm)) != []


def test_two_programs_at_once_make_what_one_makes_on_this_machine(shared: Path, calm: Path):
    same(shared, calm)
    assert list(shared.glob("*/*.claim*")) == list(shared.glob("**/.*")) == []
    (run,) = shared.glob("runs/*.json")
    assert sum(one["edits_made"] for one in json.loads(run.read_text())["runs"]) >= 1


def test_the_same_command_again_makes_nothing_and_reads_no_picture(
    command: Callable[..., Any], words: list[str], shared: Path, monkeypatch: pytest.MonkeyPatch
):
    def versions() -> dict[str, str]:
        return {name: info["LastModified"] for name, info in shared.fs.find(shared.path, detail=True).items()}

    before = versions()
    monkeypatch.setattr(remote, "write", lambda path, make: pytest.fail(f"{path} is written"))
    said = command("generate", *words, "--out", shared)
    assert said.code == 0 and "made 0 edits" in said.out and "0 pictures" in said.out and str(shared) in said.out
    assert versions() == before
    (row,) = command("plan", *words, "--out", shared, "--json").rows("plan")
    assert (row["pictures"], row["present"], row["edits_present"]) == (12, 12, 1)


def test_every_command_reads_the_folder(command: Callable[..., Any], shared: Path, calm: Path, tmp_path: Path):
    said = command("report", shared)
    assert said.code == 0 and f"wrote {shared}/report.html" in said.out
    assert command("report", calm).code == 0
    for name in ("report.html", "report.md", "report.csv", "report.tex"):
        assert (shared / name).read_bytes() == (calm / name).read_bytes()
    assert re.search(
        r'id="data-thumbs">\["UklGR', (shared / "report.html").read_text()
    )  # "RIFF", which WebP begins with
    said = command("compare", shared, calm, "--json")
    differences = said.rows("differences")
    assert said.code == 0 and differences and {row["difference"] for row in differences} <= {0, None}
    assert command("compare", "original", "uce", "--out", shared).code == 0
    assert command("export", shared, "--to", tmp_path / "edit", "--as", "partial").code == 0
    said = command("nudenet", shared)
    assert said.code == 2 and f"{shared} holds no boxes" in said.err
    assert command("paper-diff", "--out", shared).code == 0


def test_a_picture_that_is_not_as_it_was_made_is_made_again(
    command: Callable[..., Any], words: list[str], shared: Path, calm: Path
):
    path = sorted(shared.glob("images/*/*.png"))[0]
    remote.write(path, lambda stream: stream.write(b"no picture"))
    said = command("generate", *words, "--out", shared)
    assert said.code == 0 and f"{path.stem[:12]}: it is not as it was made: it is made again" in said.err
    assert pictures(shared) == pictures(calm)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on(words: list[str], calm: Path):
    """kill -9 as soon as some pictures are there."""
    out = object_store.bucket()
    place, run = remote.place(out), start(words, out)
    while run.poll() is None and len(list(place.glob("images/*/*.png"))) < 2:
        time.sleep(0.02)
    run.kill()
    run.communicate()
    assert 0 < len(pictures(place)) < 12
    ended(start(words, out))
    same(place, calm)


@pytest.mark.slow
def test_workers_of_a_cluster_write_into_a_store_what_one_process_makes(words: list[str], calm: Path):
    out = object_store.bucket()
    ended(start([*words, "--engine", "ray", "--device", "cpu"], out))
    same(remote.place(out), calm)


def test_a_run_into_memory_makes_the_same(command: Callable[..., Any], words: list[str], calm: Path):
    out = object_store.memory()
    assert command("run", *words, "--scorers", "concept,likeness", "--out", out).code == 0
    same(remote.place(out), calm)
