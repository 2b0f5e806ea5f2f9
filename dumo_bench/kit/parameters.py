"""Which weights of a network an eraser trains, and the student that trains them without touching the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host
from dumo_bench.hosts.unet import SELECTIONS, cross, other, other_linear
from dumo_bench.interfaces import Method
from dumo_bench.types import Edit

__all__ = [
    "SELECTIONS",
    "Interpolated",
    "cross",
    "other",
    "other_linear",
    "selected",
    "interpolated",
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


def interpolated(host: Host, learnt: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """The tensors of an edit, that share of the way from the host's own to what was learnt; at 1 what was learnt."""
    own = {f"{part}.{name}": t for part, net in host.parts.items() for name, t in net.named_parameters()}
    return {name: torch.lerp(own[name].detach(), t.to(own[name]), strength) for name, t in learnt.items()}


class Interpolated(Method):
    """A method whose edit replaces weights, and whose `strength` is how much of the way to them is gone."""

    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    strength: float

    def finished(self, host: Host, learnt: Edit) -> Edit:
        """The same tensors at this strength."""
        return Edit(interpolated(host, learnt.tensors, self.strength), learnt.header)
