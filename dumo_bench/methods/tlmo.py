"""TLMO, Time-Layer MOdulation of DuMo (arXiv 2501.01125), and the other scales that its published code left behind.

table: a number a bin of timesteps and layer, the method's own; layer, time: a number a layer, a number a bin; linear: a
linear map of EPR's time embedding; blend: a sigmoid of such a map, which mixes EPR's features with the U-Net's own
instead of adding to them (epr.Blend); off: one everywhere, not trained. All but blend start at one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kind: TypeAlias = Literal["table", "layer", "time", "linear", "blend", "off"]
BINS, SPAN = 20, 50  # a table's rows, and the timesteps of one row
BLEND = -2.0  # where the sigmoid starts: 0.12 of EPR


@dataclass(frozen=True, slots=True)
class Line:
    """The scale as a map of the time embedding: weight (13, e), bias (13,); heed (13,) is 0 where a layer is left out.

    The embedding is divided by its width, so that a step of Adam moves this scale about as far as a table's.
    """

    weight: Tensor
    bias: Tensor
    heed: Tensor
    squash: bool

    def __call__(self, when: Tensor) -> Tensor:
        """(B, 13) of time embeddings (B, e)."""
        value = F.linear(when.to(self.weight.dtype) / when.shape[1], self.weight, self.bias)
        return self.heed * (value.sigmoid() if self.squash else value)


Scale: TypeAlias = Tensor | Line  # a table (20, 13), or the map in its place


def bins(t: Tensor) -> Tensor:
    """A table's row of a timestep in 0..999: t // 50, row 0 the cleanest."""
    return (t // SPAN).long().clamp(0, BINS - 1)


def start(kind: Kind, heed: Tensor, width: int) -> tuple[list[nn.Parameter], Callable[[], Scale]]:
    """What is trained, and the scale that it makes. heed (13,): 0 for layers left out; width: of the time embedding."""
    layers, device = len(heed), heed.device
    if kind in ("linear", "blend"):
        weight = nn.Parameter(torch.zeros(layers, width, device=device))
        bias = nn.Parameter(torch.full((layers,), BLEND if kind == "blend" else 1.0, device=device))
        return [weight, bias], lambda: Line(weight, bias, heed, kind == "blend")
    shape = {"layer": (1, layers), "time": (BINS, 1)}.get(kind, (BINS, layers))
    table = nn.Parameter(torch.ones(shape, device=device))
    return [table], lambda: table * heed.expand(BINS, layers)


def named(scale: Scale) -> dict[str, Tensor]:
    """The scale's tensors by what their names end in; a table has no name of its own."""
    if isinstance(scale, Tensor):
        return {"": scale.detach()}
    return {f".{part}": getattr(scale, part).detach() for part in ("weight", "bias", "heed")}


def read(tensors: Mapping[str, Tensor], kind: Kind) -> Scale:
    """The inverse of `named`. Raises KeyError."""
    if kind in ("linear", "blend"):
        return Line(tensors[".weight"], tensors[".bias"], tensors[".heed"], kind == "blend")
    return tensors[""]
