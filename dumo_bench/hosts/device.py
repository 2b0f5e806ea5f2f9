"""Where to compute, and what makes a CPU and loading quick and quiet."""

from __future__ import annotations

import ctypes
import sys

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
    """The device of that name, as `chosen`; a GPU with a number becomes what all of torch, scorers too, calls cuda."""
    import torch

    found = chosen(name)
    if found.startswith("cuda:"):
        torch.cuda.set_device(found)
    return found


def quick_allocator() -> None:
    """Let glibc keep what it frees: giving every large tensor back makes training on a CPU three times slower."""
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(-4, 0)  # M_MMAP_MAX
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
    except (OSError, AttributeError):
        return  # another C library: slower, nothing else


def quiet_loading() -> None:
    """No bar for every small file that transformers loads; downloads keep theirs."""
    from huggingface_hub.utils.tqdm import enable_progress_bars
    from transformers.utils import logging

    logging.disable_progress_bar()
    enable_progress_bars()
