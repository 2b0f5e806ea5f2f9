"""What training ESD-x and DuMo holds in memory at SD v1.4's size: computed from shapes, not measured.

The loss is run on the "meta" device, where tensors have shapes and no values, and every tensor that autograd keeps for
the backward pass is counted once, weights excepted. Attention is counted as memory-efficient kernels have it: queries,
keys, values, the output and one number a query are kept, never the map. With checkpointing the inputs of every block
are kept, and the rest of one block at a time, of which the largest counts. Workspace and fragmentation come on top.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import sd14
import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from dumo_bench.kit import parameters
from dumo_bench.kit.checkpointing import recomputed
from dumo_bench.methods.dumo_recipe import PLAN
from dumo_bench.methods.epr import EPR, corrected, scaled
from dumo_bench.methods.tlmo import BINS

GIB, ENCODER = 2**30, 123_060_480  # bytes; parameters of CLIP ViT-L/14's text tower


class Attention(torch.autograd.Function):
    """Keeps what a memory-efficient kernel keeps; its values mean nothing."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = q.new_empty(*q.shape[:-1], v.shape[-1])
        ctx.save_for_backward(q, k, v, out, q.new_empty(q.shape[:-1]))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, None]:
        raise NotImplementedError("shapes alone are wanted")


@contextmanager
def efficient() -> Iterator[None]:
    """Attention by the stand-in above."""
    stock = nn.functional.scaled_dot_product_attention
    nn.functional.scaled_dot_product_attention = lambda q, k, v, *_, **__: Attention.apply(q, k, v)
    try:
        yield
    finally:
        nn.functional.scaled_dot_product_attention = stock


class Kept:
    """The storages that autograd keeps, each once, those of the weights not counted."""

    def __init__(self, weights: Iterable[Tensor]) -> None:
        self.own = {w.untyped_storage()._cdata for w in weights}
        self.found: dict[int, tuple[Tensor, int]] = {}  # a tensor is held, so that no other takes its storage's place
        self.largest = 0  # bytes of a block whose inputs alone are kept

    def count(self, t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        if storage._cdata not in self.own:
            self.found[storage._cdata] = (t, storage.nbytes())
        return t

    def block(self, module: Callable[..., Any], *args: Any, use_reentrant: bool) -> Any:
        """What stands for a checkpoint: the block's inputs are kept, what it keeps itself is counted apart."""
        del use_reentrant
        for tensor in (x for x in args if isinstance(x, Tensor)):
            self.count(tensor)
        inside = Kept(())
        inside.own = self.own
        with torch.autograd.graph.saved_tensors_hooks(inside.count, lambda t: t):
            out = module(*args)
        self.largest = max(self.largest, inside.bytes())
        return out

    def bytes(self) -> int:
        return sum(size for _, size in self.found.values()) + self.largest


def kept(forward: Callable[[], Any], weights: Iterable[Tensor]) -> int:
    """Bytes that autograd keeps of a forward pass, and of the largest block that is computed again."""
    tally, stock = Kept(weights), torch.utils.checkpoint.checkpoint
    torch.utils.checkpoint.checkpoint = tally.block
    try:
        with efficient(), torch.autograd.graph.saved_tensors_hooks(tally.count, lambda t: t):
            held = forward()
    finally:
        torch.utils.checkpoint.checkpoint = stock
    del held
    return tally.bytes()


def numbers(tensors: Iterable[Tensor]) -> int:
    return sum(p.numel() for p in tensors)


def esd(unet: Any, side: int, rows: int) -> list[int]:
    """Bytes of weights, gradients, Adam's state and activations: the student is the U-Net but for its own attn2."""
    student = parameters.twin(unet, parameters.cross(unet))
    free = [p for p in student.parameters() if p.requires_grad]
    z, t, c = sd14.inputs(side, rows, "meta")
    weights = [*unet.parameters(), *free]
    active = kept(lambda: student(z, t, encoder_hidden_states=c).sample, [*student.parameters(), *student.buffers()])
    return [4 * (numbers(weights) + ENCODER), 4 * numbers(free), 8 * numbers(free), active]


def dumo(unet: Any, side: int, rows: int, *, checkpointing: bool = False) -> list[int]:
    """The same of DuMo's first stage: EPR learns, the U-Net's decoder passes its gradients on."""
    epr, table = EPR(unet).requires_grad_(True), torch.ones(BINS, 13, device="meta")
    z, t, c = sd14.inputs(side, rows, "meta")
    weights = [*unet.parameters(), *epr.parameters()]
    made = partial(scaled, epr, table)

    def forward() -> Tensor:
        with recomputed(epr, unet, when=checkpointing):
            return corrected(unet, z, t, c, made(z, t, c))

    active = kept(forward, [*weights, *unet.buffers(), *epr.buffers()])
    return [4 * (numbers(weights) + ENCODER), 4 * numbers(epr.parameters()), 8 * numbers(epr.parameters()), active]


def row(name: str, rows: int, parts: list[int]) -> list[str]:
    return [name, str(rows), *(f"{b / GIB:.2f}" for b in (*parts, sum(parts)))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=64, help="latents along one side; 64 are 512 pixels")
    side, many = parser.parse_args().side, PLAN.rows + PLAN.retain_rows
    net = sd14.unet()
    found = [
        row("ESD-x", 1, esd(net, side, 1)),
        row("DuMo", 1, dumo(net, side, 1)),
        row("DuMo, as many rows as its recipe has", many, dumo(net, side, many)),
        row("DuMo, its recipe: checkpointing", many, dumo(net, side, many, checkpointing=PLAN.checkpointing)),
    ]
    head = ["GiB, float32, computed", "rows", "weights", "gradients", "Adam", "activations", "sum"]
    print(sd14.table(head, found))
    print(f"\nLatents {side} x {side}. Weights: the U-Net, what is trained beside it, the text encoder; no VAE.")
