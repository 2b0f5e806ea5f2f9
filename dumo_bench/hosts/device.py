"""Where to compute, and what makes a CPU quick."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path

from dumo_bench.errors import UserError


def chosen(name: str) -> str:
    """`auto` as the best device of this machine; one that is not there is refused. `cuda:1` is the second GPU."""
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = {"cpu": True, "cuda": gpus > 0, "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    kind, _, index = name.partition(":")
    if not there[kind]:
        raise UserError(f"--device {name}: this machine has none; `dumo-bench doctor` says what it has")
    if index and int(index) >= gpus:
        raise UserError(f"--device {name}: this machine has {gpus} GPUs, the last is cuda:{gpus - 1}")
    return name


def use(name: str) -> str:
    """The device of that name, as `chosen`; a GPU with a number becomes what all of torch, scorers too, calls cuda.

    Whatever computes begins here, so that the CPU is as quick as it can be.
    """
    import torch

    found = chosen(name)
    quick_allocator()
    fewer_threads()
    if found.startswith("cuda:"):
        torch.cuda.set_device(found)
    return found


@cache
def quick_allocator() -> bool:
    """Let glibc keep what it frees: giving every large tensor back makes training on a CPU three times slower.

    Whether it does; another C library does not.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        taken = libc.mallopt(-4, 0), libc.mallopt(-1, 2**31 - 1)  # M_MMAP_MAX, M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        return False
    return all(taken)


def fewer_threads() -> int:
    """No more threads of torch than this process may use cores, unless OMP_NUM_THREADS says how many; how many.

    A container's share may be less than the machine's cores, which torch counts.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > cores():
        torch.set_num_threads(cores())
    return torch.get_num_threads()


def cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """How many cores this process may use: those it is bound to, or as many as its control group has time for."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text(encoding="ascii").split()
        return max(1, min(bound, int(share) // int(period)))
    except (OSError, ValueError):  # no control group, or "max"
        return bound
