"""Memory that is full: how libraries say it, and how it is given back before less is tried."""

from __future__ import annotations

import gc

from dumo_bench.texts import line

#: what a RuntimeError says where memory could not be had: torch on a CPU and on Apple's GPUs, and cuBLAS
_SAID = ("not enough memory", "can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
_MOST = 160  # characters of what a library says


def full(error: BaseException) -> bool:
    """Whether an error says that memory is full, of a device or of the machine."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, without importing it
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in _SAID)


def said(error: BaseException) -> str:
    """That memory is full, and how the library says it."""
    text = line(str(error))
    text = text if len(text) <= _MOST else f"{text[:_MOST]}..."
    return f"the memory is full ({text})" if text else "the memory is full"


def release() -> None:
    """Give back what a failure left behind; call it outside of the `except`, which still holds it."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
