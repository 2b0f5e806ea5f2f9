"""Gradient checkpointing: what a block has computed is computed again for the backward pass, in place of being kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch.utils.checkpoint
from torch import nn

_ASKED = ("gradient_checkpointing", "_gradient_checkpointing_func")  # of a block, by diffusers


@contextmanager
def recomputed(*nets: nn.Module, when: bool = True) -> Iterator[None]:
    """Inside, every block of the nets keeps its inputs alone: less memory, a forward pass more, the same gradients.

    Blocks are diffusers', which ask two attributes; both are as before on leaving. `when` False does nothing.
    """
    blocks = [m for net in nets for m in net.modules() if hasattr(m, "gradient_checkpointing")] if when else []
    before = [{name: own for name, own in vars(block).items() if name in _ASKED} for block in blocks]
    for block in blocks:
        block.gradient_checkpointing = True  # type: ignore[assignment]  # not a module
        block._gradient_checkpointing_func = partial(torch.utils.checkpoint.checkpoint, use_reentrant=False)  # type: ignore[assignment]
    try:
        yield
    finally:
        for block, own in zip(blocks, before, strict=True):
            for name in _ASKED:
                vars(block).pop(name, None)
            vars(block).update(own)
