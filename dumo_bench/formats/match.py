"""What an artefact holds against what the model has: matched, missing, unexpected, mis-shaped, and how far it moves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from dumo_bench.errors import UserError


@dataclass(frozen=True, slots=True)
class Report:
    """`change` is |W - W0| / |W0| of every layer, None where W0 is zero; `moves` whether anything changes at all.

    `still`: why nothing does, where it is not the tensors that equal the model's.
    """

    source: str
    sha256: str
    family: str
    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    change: Mapping[str, float | None] = field(default_factory=dict)
    infinite: tuple[str, ...] = ()
    moves: bool = True
    still: str = ""
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> dict[str, Any]:
        """What an edit remembers of it."""
        return {
            "format": self.family,
            "source": self.source,
            "sha256": self.sha256,
            "matched": len(self.matched),
            "change": dict(self.change),
            "notes": list(self.notes),
        }

    def everything(self, model: str) -> dict[str, Any]:
        """For programs: all names, and the reason why it cannot be imported ("" when it can)."""
        return {**asdict(self), "problem": self.problem(model)}

    def problem(self, model: str) -> str:
        """Why it cannot be imported; "" when it can."""
        if not self.matched:
            first = [*self.misshapen, *self.unexpected]
            return f"made for another architecture: none of its {len(first)} tensors fit {model} ({_some(first)})"
        wrong = [
            f"{len(names)} {what} ({_some(names)})"
            for what, names in (
                ("missing", self.missing), ("unexpected", self.unexpected), ("mis-shaped", self.misshapen)
            )
            if names
        ]  # fmt: skip
        if self.infinite:
            return f"{len(self.infinite)} tensors hold numbers that are not finite ({_some(self.infinite)})"
        if wrong:
            return f"as {self.family}, {len(self.matched)} tensors fit {model} but {', '.join(wrong)}"
        still = self.still or f"its {len(self.matched)} tensors are those of {model}"
        return "" if self.moves else f"changes nothing: {still}"

    def lines(self, most: int = 12) -> Iterator[str]:
        """For people: the verdict's numbers, then the layers that change most."""
        yield f"format      {self.family}"
        yield f"source      {self.source}"
        yield f"sha256      {self.sha256}"
        yield f"matched     {len(self.matched)}"
        for what, names in (
            ("missing", self.missing), ("unexpected", self.unexpected), ("mis-shaped", self.misshapen)
        ):  # fmt: skip
            yield f"{what:<11} {len(names)}" + (f": {_some(names, most)}" if names else "")
        for note in self.notes:
            yield f"note        {note}"
        moved = sorted(self.change.items(), key=lambda item: -1 if item[1] is None else -item[1])
        moved = [(layer, value) for layer, value in moved if value != 0]
        yield f"changed     {len(moved)} of {len(self.change)} layers" + (", |W - W0| / |W0|:" if moved else "")
        for layer, value in moved[:most]:
            yield f"  {'new' if value is None else f'{value:.2e}':>8}  {layer}"
        if len(moved) > most:
            yield f"  and {len(moved) - most} more"


def compare(
    found: Mapping[str, Tensor], own: Mapping[str, Tensor], wanted: Iterable[str], deciding: str = ""
) -> dict[str, Any]:
    """The part of a report that is the tensors'. `own` are the model's tensors, `wanted` the names that must be there.

    Whether the artefact moves anything is told by its tensors whose names contain `deciding`. A tensor that equals
    the model's at the coarser of both precisions has not moved.
    """
    fits = [name for name, tensor in found.items() if name in own and own[name].shape == tensor.shape]
    bad = [name for name in found if name in own and name not in set(fits)]
    return {
        "matched": tuple(fits),
        "missing": tuple(name for name in wanted if name not in found),
        "unexpected": tuple(name for name in found if name not in own),
        "misshapen": tuple(f"{name} {tuple(found[name].shape)}, wanted {tuple(own[name].shape)}" for name in bad),
        "infinite": tuple(name for name in fits if not found[name].to(own[name].dtype).isfinite().all()),
        "change": change(found, own, fits),
        "moves": any(moved(found[name], own[name]) for name in fits if deciding in name),
    }


def moved(tensor: Tensor, own: Tensor) -> bool:
    """Whether a tensor differs from the model's by more than the rounding of the coarser of the two."""
    mine = own.to(tensor.device)
    return not (torch.equal(tensor.to(mine.dtype), mine) or torch.equal(mine.to(tensor.dtype), tensor))


def change(found: Mapping[str, Tensor], own: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, float | None]:
    """|W - W0| / |W0| over all tensors of a layer; None where W0 is zero and W is not."""
    sums: dict[str, list[float]] = {}
    for name in names:
        base = own[name].detach().to(found[name].device, torch.float64)
        pair = sums.setdefault(name.rpartition(".")[0], [0.0, 0.0])
        pair[0] += float((found[name].double() - base).square().sum())
        pair[1] += float(base.square().sum())
    return {layer: (a / b) ** 0.5 if b else (None if a else 0.0) for layer, (a, b) in sums.items()}


def refuse(report: Report, model: str) -> None:
    """A UserError with the reason, where there is one."""
    problem = report.problem(model)
    if problem:
        raise UserError(f"{report.source}: {problem}")


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f", and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
