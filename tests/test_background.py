"""Files are written beside the sampling: nothing is lost, nothing is kept silent."""

from __future__ import annotations

import threading
import time

import pytest

from dumo_bench.storage.background import Writer


def test_everything_that_was_submitted_is_done_when_the_block_ends():
    done: list[int] = []
    with Writer(workers=3) as writer:
        for n in range(200):
            writer.submit(lambda n: (time.sleep(0.001), done.append(n)), n)
    assert sorted(done) == list(range(200))


def test_an_error_ends_the_block_and_what_was_submitted_is_done():
    done: list[int] = []

    def write(n: int) -> None:
        if n == 3:
            raise OSError(28, "no space left")
        done.append(n)

    with pytest.raises(OSError, match="no space"), Writer(workers=1) as writer:
        for n in range(6):
            writer.submit(write, n)
    assert set(done) >= {0, 1, 2}


def test_where_the_block_raises_its_own_error_is_told_and_what_was_submitted_is_done():
    done: list[int] = []
    with pytest.raises(KeyboardInterrupt), Writer() as writer:
        writer.submit(done.append, 1)
        raise KeyboardInterrupt
    assert done == [1]


def test_no_more_than_the_bound_waits_in_memory():
    gate, held = threading.Event(), []
    with Writer(workers=1, waiting=2) as writer:
        threading.Timer(0.2, gate.set).start()
        for n in range(5):
            writer.submit(gate.wait)
            held.append((n, gate.is_set()))
    assert [n for n, opened in held if not opened] == [0, 1]
