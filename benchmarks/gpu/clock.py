"""Seconds and bytes on a device, and limits that end what takes too long."""

from __future__ import annotations

import gc
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from .bench import Precision, Stage, Value

GIB = 2**30


def finish() -> None:
    """Wait for the GPU, where there is one: its work goes on after a call has returned."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(way: Callable[[], Any]) -> float:
    """Wall seconds of one call, from an idle device to an idle device."""
    finish()
    began = time.perf_counter()
    way()
    finish()
    return time.perf_counter() - began


def median(way: Callable[[], Any], repeats: int, limit: float = 3.0) -> tuple[float, int]:
    """The median seconds of a way that is warm, and of how many calls: fewer once `limit` seconds are spent."""
    spent: list[float] = []
    while len(spent) < repeats and sum(spent) < limit:
        spent.append(seconds(way))
    return statistics.median(spent), len(spent)


def turns(ways: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each way, after one call that does not count; they take turns."""
    for way in ways.values():
        way()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            spent[name].append(seconds(way))
    return {name: statistics.median(each) for name, each in spent.items()}


@contextmanager
def rounding(precision: Precision) -> Iterator[None]:
    """Inside, float32 convolutions and products round as the precision says."""
    conv, product = torch.backends.cudnn, torch.backends.cuda.matmul
    before = conv.allow_tf32, product.allow_tf32
    conv.allow_tf32, product.allow_tf32 = precision.convolutions, precision.products
    try:
        yield
    finally:
        conv.allow_tf32, product.allow_tf32 = before


class Peak:
    """The most that is allocated on the GPU inside the `with`, in GiB: over what was there, and in all."""

    above: float | None = None
    whole: float | None = None

    def __enter__(self) -> Peak:
        freed()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated()
        return self

    def __exit__(self, *_: object) -> None:
        if torch.cuda.is_available():
            most = torch.cuda.max_memory_allocated()
            self.above, self.whole = (most - self.before) / GIB, most / GIB


def freed() -> None:
    """Give back what nobody holds."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def fitting(cell: Callable[[], dict[str, Value]]) -> dict[str, Value]:
    """The cell's numbers, or the note that the device has too little memory for it."""
    try:
        return cell()
    except torch.cuda.OutOfMemoryError:
        pass  # the tensors of the failed call are held by the error until it is left
    freed()
    return {"note": "out of memory"}


class OutOfTime(BaseException):
    """A stage's time is over; no Exception, which libraries catch and go on."""


def allotted(stages: Sequence[Stage], left: float) -> float:
    """The first stage's part of the seconds that are left; later ones that would get less than their least get none."""
    first, *later = stages
    while True:
        second = left / (first.share + sum(stage.share for stage in later))
        short = [stage for stage in later if stage.share * second < stage.least]
        if not short:
            return first.share * second
        later.remove(short[-1])


@contextmanager
def within(limit: float) -> Iterator[None]:
    """Raise OutOfTime inside after so many seconds, also where a library makes an error of its own of it."""
    said, rang = f"stopped after {limit:.0f} s", False

    def end(*_: object) -> None:
        nonlocal rang
        rang = True
        raise OutOfTime(said)

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, max(limit, 0.01))
    try:
        yield
    except Exception as error:
        if rang:
            raise OutOfTime(said) from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
