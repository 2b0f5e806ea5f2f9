"""Which weights of a network an eraser trains, and the student that trains them without touching the rest."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host, interpolated
from dumo_bench.hosts.unet import SELECTIONS, cross, other, other_linear

__all__ = [
    "SELECTIONS",
    "cross",
    "other",
    "other_linear",
    "selected",
    "towards",
    "twin",
]


def selected(host: Host, name: str) -> list[str]:
    """The tensors of the host's network that papers call so."""
    known = host.code.SELECTIONS
    if name not in known:
        raise UserError(f"{host.kind.title} has no weights called {name!r}: wanted one of {', '.join(known)}")
    found: list[str] = known[name](host.unet)
    return found


def twin(unet: Any, names: Sequence[str]) -> Any:
    """A network of which the named tensors are copies that learn; all others are the given one's own, not copied."""
    own = dict(unet.named_parameters())
    free = {id(own[name]) for name in names}
    shared = {id(t): t for t in (*own.values(), *unet.buffers()) if id(t) not in free}
    made = copy.deepcopy(unet, shared)
    learning = dict(made.named_parameters())
    for name in names:
        learning[name].requires_grad_(True)
    return made


def towards(host: Host, student: Any, names: Sequence[str], strength: float) -> dict[str, Tensor]:
    """The named tensors as an edit's: the host's own, and of the way to what the student learnt that share."""
    learnt = dict(student.named_parameters())
    return interpolated(host, {f"{host.kind.network}.{n}": learnt[n].detach() for n in names}, strength)
