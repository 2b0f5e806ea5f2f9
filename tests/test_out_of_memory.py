"""Memory that is full: a batch is halved and its pictures say so; what does not fit alone fails in one line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import tiny
import tiny_models
import torch
from fakes import Brightness
from test_score import ABOUT

from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.hosts import memory, sd
from dumo_bench.methods.original import Original
from dumo_bench.run import measure, tasks, work
from dumo_bench.run.plan import Request
from dumo_bench.run.score import score
from dumo_bench.run.session import Session
from dumo_bench.storage import store as storing
from dumo_bench.storage import table
from dumo_bench.storage.store import Store
from dumo_bench.types import Job

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.18 GiB of which 1.2 GiB is free."
)


def on_a_gpu() -> None:
    raise torch.OutOfMemoryError(CUDA)


def on_a_cpu() -> None:
    torch.empty(10**15)  # torch's own error


def of_a_library() -> None:
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: not enough memory: you tried to allocate"
    )


def of_python() -> None:
    raise MemoryError


@dataclass(frozen=True)
class Small(Original):
    """The unedited model where so many values of latents are all that fit."""

    most: int = 10**9
    error: Callable[[], None] = on_a_gpu
    tried: list[int] = field(default_factory=list)

    @contextmanager
    def apply(self, host, edit) -> Iterator[sd.Guide]:
        with super().apply(host, edit) as whole:

            def guide(given):
                denoise = whole(given)

                def estimate(z, t):
                    self.tried.append(len(given.texts))
                    if z.shape[0] * z.shape[2] * z.shape[3] > self.most:
                        self.error()
                    return denoise(z, t)

                return estimate

            yield guide


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


@pytest.fixture
def place(tmp_path: Path) -> Store:
    return Store(tmp_path / "out")


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    monkeypatch.setattr(logging.getLogger("dumo_bench"), "propagate", True)
    return lambda: [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING]


def jobs(n: int = 7) -> list[Job]:
    return [tiny.job("a dog", i, steps=1) for i in range(n)]


def larger(job: Job) -> Job:
    return replace(job, sampling=replace(job.sampling, height=128, width=128))


ROW = 8 * 8  # latents of a picture of 64 x 64


@pytest.mark.parametrize("error", [on_a_gpu, on_a_cpu, of_a_library, of_python])
def test_a_batch_is_halved_until_it_fits_and_every_picture_says_so(host, place, tmp_path, said, error):
    small = Small(most=3 * ROW, error=error)
    assert work.generate(host, small, jobs(), place, 8).failed == []
    assert small.tried == [8, 4, 2, 2, 2, 2]  # what did not fit is not tried again
    assert {storing.batch_of([place.image_path(job)]) for job in jobs()} == {2}
    assert [line.partition(": the memory")[0] for line in said()] == [
        "original: no room for 8 pictures of 64 x 64 at once", "original: no room for 4 pictures of 64 x 64 at once",
    ]  # fmt: skip
    assert said()[-1].endswith(": 2 pictures at once from here on, as each of them says")
    assert str(work.Room(1)) == "one picture at a time"
    other = Store(tmp_path / "other")
    work.generate(host, Original(), jobs(), other, 2)
    assert all(place.image_path(job).read_bytes() == other.image_path(job).read_bytes() for job in jobs())


def test_pictures_that_were_made_before_the_memory_was_full_say_their_own_batch(host, place, said):
    room = work.Room(4)
    every = [*jobs(4), *map(larger, jobs(3))]
    assert work.generate(host, Small(most=9 * ROW), every, place, room).failed == []
    batches = [storing.batch_of([place.image_path(job)]) for job in every]
    assert sorted(batches) == [2, 2, 2, 4, 4, 4, 4] or batches == [2] * 7  # by which of the sizes came first
    assert room.batch == 2 and len(said()) == 1
    assert storing.batch_of([place.image_path(job) for job in every]) in (None, 2)


def test_a_picture_that_does_not_fit_alone_fails_in_a_line_and_smaller_ones_are_made(host, place, said):
    big = [larger(job) for job in jobs(3)]
    small = Small(most=2 * ROW)
    failed = work.generate(host, small, [*jobs(3), *big], place, 2).failed
    assert sorted(job.key for job, _ in failed) == sorted(job.key for job in big) and place.missing(jobs(3)) == []
    (why,) = {why for _, why in failed}
    assert why.startswith("no room for one picture of 128 x 128: the memory is full (CUDA out of memory.")
    assert "try a suite of smaller pictures, --dtype float16" in why and len(why.splitlines()) == 1
    assert small.tried.count(1) <= 1 + 3  # the large one once, and the small ones


def test_another_error_is_no_matter_of_memory(host, place):
    def broken() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        work.generate(host, Small(most=0, error=broken), jobs(), place, 4)


@pytest.mark.parametrize(
    ("error", "is_full"),
    [(torch.OutOfMemoryError(CUDA), True), (MemoryError(), True), (RuntimeError("MPS backend out of memory"), True),
     (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), True),
     (RuntimeError("CUDA error: device-side assert"), False), (ValueError("out of memory"), False)],
)  # fmt: skip
def test_memory_that_is_full_is_known_by_what_libraries_say(error, is_full):
    assert memory.full(error) == is_full


def test_what_did_not_fit_is_remembered_from_one_task_of_an_edit_to_the_next(tiny_suite, tmp_path, monkeypatch):
    session = Session(Request("original", str(tiny_suite)), tmp_path / "out", Local(), "cpu", 4)
    (part,) = session.plan.reference
    small = Small(most=3 * ROW)
    monkeypatch.setitem(session._parts, (part.recipe.key, None), replace(part, method=small))
    wanted = session.plan.wanted()
    for some in (wanted[:3], wanted[3:]):
        assert tasks.do(session, tasks.Make(part.recipe.key, tuple(some))).failed == []
    assert small.tried.count(4) == 1 and session.store.missing(wanted) == []


PLUGIN = """
import torch
from dataclasses import dataclass
from dumo_bench.methods.original import Original
from fakes import Scaled
from test_out_of_memory import CUDA, Small

@dataclass(frozen=True)
class Hungry(Scaled):
    def fit(self, host, erase, *, seed):
        raise torch.OutOfMemoryError(CUDA)

@dataclass(frozen=True)
class Large(Scaled):
    def apply(self, host, edit):
        return Small(most=0).apply(host, edit)
"""


def test_a_fit_that_is_out_of_memory_says_so_in_a_line(command, tiny_suite, tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    argv = ("--suite", tiny_suite, "--out", tmp_path / "out")
    found = command("fit", "--method", f"{tmp_path / 'plugin.py'}:Hungry", *argv)
    (line,) = [line for line in found.err.splitlines() if line.startswith("dumo-bench: ")]
    assert found.code == 2 and "Traceback" not in found.err
    assert line.startswith("dumo-bench: fit scaled: cat: the memory is full (CUDA out of memory.")
    assert "try --dtype float16" in line


def test_a_run_whose_pictures_do_not_fit_alone_ends_with_1_and_says_so_of_each(command, tiny_suite, tmp_path):
    (tmp_path / "plugin.py").write_text(PLUGIN)
    argv = ("--method", f"{tmp_path / 'plugin.py'}:Large", "--suite", tiny_suite, "--out", tmp_path / "out")
    found = command("generate", *argv, "--batch-size", "4", "--json")
    assert found.code == 1 and {row["pictures"] for row in found.rows("made")} == {6}
    whys = [row["why"] for row in found.rows("failed")]
    assert len(whys) == 6 and all(why.startswith("no room for one picture of 64 x 64") for why in whys)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return tmp_path / "tables"


@dataclass(frozen=True)
class Eager(Brightness):
    """Takes so many pictures at once."""

    most: int = 1

    def score(self, samples):
        if len(samples) > self.most:
            raise torch.OutOfMemoryError(CUDA)
        return super().score(samples)


@pytest.mark.parametrize(("most", "measured"), [(1, 5), (0, 0)])
def test_a_scorer_that_is_out_of_memory_is_asked_for_each_picture_alone(tmp_path, tables, most, measured):
    found = score(tiny_models.samples(tmp_path / "pictures", 5), [Eager(most)], tables, ABOUT)
    rows = table.records(table.read(tables, "scores"))
    assert len(rows) == 5 and sum(row["value"] is not None for row in rows) == measured
    assert {row["reason"] for row in rows} == {"" if measured else "failed"}
    assert bool(found.failed) == (not measured)
    assert all(measure.why(torch.OutOfMemoryError(CUDA)) == row["note"] for row in rows if row["value"] is None)


def test_a_probe_that_is_out_of_memory_says_so_in_a_line(tiny_suite, tmp_path, monkeypatch):
    session = Session(Request("original", str(tiny_suite)), tmp_path / "out", Local(), "cpu", 4)
    monkeypatch.setattr(work, "tried", lambda *_: on_a_gpu())
    recipe = session.plan.reference[0].recipe.key
    with pytest.raises(UserError, match="probe original: the memory is full"):
        tasks.do(session, tasks.Try(recipe, tuple(session.plan.wanted())))
