"""A run that is stopped, split or shuffled makes the same bytes: every batch has its full size.

With one thread: several share the rows of a batch unevenly, and then a row's place counts (docs/conventions.md).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import tiny
import torch

from dumo_bench.hosts import sample, sd
from dumo_bench.methods.original import Original
from dumo_bench.run import work
from dumo_bench.run.jobs import batches
from dumo_bench.storage import files, store
from dumo_bench.storage.store import Store
from dumo_bench.types import Job

SIZE = 3
SIDES = ((64, 64), (64, 128))


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def jobs(n: int = 7) -> list[Job]:
    """Pictures of two sizes, with guidances of their own."""
    words = ("a dog", "a cat in noto style", "", "alien")
    plain = [tiny.job(words[i % 4], i, steps=1, guidance=1.0 + i) for i in range(n)]
    sizes = [SIDES[i % 2] for i in range(n)]
    return [replace(j, sampling=replace(j.sampling, height=h, width=w)) for j, (h, w) in zip(plain, sizes, strict=True)]


def written(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in root.glob("images/*/*.png")}


@pytest.fixture(scope="module")
def whole(host, tmp_path_factory) -> dict[str, bytes]:
    """What a run makes that nothing stops."""
    place = Store(tmp_path_factory.mktemp("whole"))
    assert work.generate(host, Original(), jobs(), place, SIZE).failed == []
    return written(place.root)


@pytest.mark.parametrize("seed", range(3))
def test_any_split_in_any_order_makes_the_same_bytes(host, whole, tmp_path, seed):
    """As a run that is stopped after any of its pictures, and goes on with others left."""
    draw, every = random.Random(seed), jobs()
    draw.shuffle(every)
    cuts = sorted(draw.sample(range(1, len(every)), 2))
    for start, end in pairwise([0, *cuts, len(every)]):
        work.generate(host, Original(), every[start:end], Store(tmp_path), SIZE)
    assert written(tmp_path) == whole


@pytest.mark.parametrize("of", [2, 7])
def test_shards_make_the_bytes_of_the_whole(host, whole, tmp_path, of):
    for i in range(of):
        work.generate(host, Original(), jobs()[i::of], Store(tmp_path), SIZE)
    assert written(tmp_path) == whole


@pytest.mark.parametrize("size", [3, 18])
def test_a_picture_is_its_jobs_alone_wherever_it_stands_in_a_batch_of_one_size(host, size):
    """18: more than are decoded at once, and no multiple of it."""
    every = [tiny.job("a dog", i, steps=1) for i in range(size)]
    guide = partial(sd.stock_guide, host)
    there, back = (sample.sample(host, guide, order)[0] for order in (every, every[::-1]))
    alone = sample.sample(host, guide, work.full(every[:1], size))[0]
    assert torch.equal(there, back.flip(0)) and torch.equal(alone[0], there[0])


def test_every_picture_says_in_a_batch_of_how_many_it_was_made(host, tmp_path):
    one, other = jobs(2)
    place = Store(tmp_path)
    for job, size in ((one, 2), (other, 3)):
        work.generate(host, Original(), [job], place, size)
    paths = [place.image_path(job) for job in (one, other)]
    assert [store.batch_of([path]) for path in paths] == [2, 3]
    assert store.batch_of(paths) is None and store.batch_of([tmp_path / "none.png"]) is None


def test_a_short_batch_is_filled_with_its_last_job():
    one, two = jobs(2)
    assert work.full([one, two], 4) == [one, two, two, two]
    assert work.full([one, two], 2) == [one, two]


def start(suite: Path, out: Path) -> subprocess.Popen[bytes]:
    command = ["run", "--method", "original", "--suite", suite, "--limit", "40"]
    command += ["--batch-size", "4", "--scorers", "clip_score"]
    line = "from dumo_bench.cli.app import main; import sys; main(sys.argv[1:])"
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", line, *map(str, command), "--out", str(out)], env=environ, **quiet)


@pytest.mark.slow
def test_five_kills_leave_the_bytes_of_a_run_that_nothing_stopped(tmp_path):
    """kill -9 as soon as some more pictures are there; the same command again goes on."""
    text = (Path(__file__).parents[1] / "prompts" / "emoji-cartoon.toml").read_text()
    suite = tmp_path / "kills.toml"
    suite.write_text(text.replace("steps = 20", "steps = 2"))
    stopped, calm = tmp_path / "stopped", tmp_path / "calm"
    for _ in range(5):
        before, run = len(written(stopped)), start(suite, stopped)
        while run.poll() is None and len(written(stopped)) < before + 5:
            time.sleep(0.02)
        run.kill()
        run.wait()
    some = len(written(stopped))
    assert start(suite, stopped).wait() == start(suite, calm).wait() == 0
    assert 0 < some < len(written(calm)) and written(stopped) == written(calm)


@dataclass(frozen=True)
class Beside(Original):
    """The unedited model, while another program begins to write pictures of its own."""

    other: Callable[[], None] = lambda: None
    texts: list[int] = field(default_factory=list)

    @contextmanager
    def apply(self, host, edit):
        with super().apply(host, edit) as whole:

            def guide(given):
                self.texts.append(len(given.texts))
                self.other()
                return whole(given)

            yield guide


def test_what_another_program_makes_meanwhile_is_not_made_again_nor_counted_as_made_here(host, whole, tmp_path):
    place = Store(tmp_path)

    def other() -> None:
        for job in jobs():
            files.write_bytes(place.image_path(job), whole[f"{job.key}.png"])

    method = Beside(other=other)
    made = work.generate(host, method, jobs(), place, SIZE)
    assert made.pictures <= SIZE < len(jobs()) and made.failed == []
    assert len(method.texts) == 1  # of one batch: those that came after it were there
    assert written(tmp_path) == whole


def test_programs_that_begin_at_once_take_the_same_batches_in_orders_of_their_own():
    every = [tiny.job("a dog", i, steps=1) for i in range(64)]
    plain, *strewn = ([[job.key for job in some] for some in batches(every, 2, strewn=n > 0)] for n in range(3))
    assert sorted(strewn[0]) == sorted(strewn[1]) == sorted(plain)
    assert len({repr(order) for order in (plain, *strewn)}) == 3
