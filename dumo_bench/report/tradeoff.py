"""What erasing costs: every setting of a method as a point, its settings joined to a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dumo_bench.report.model import CaseTables, Shown
from dumo_bench.validity import REFERENCE

FEW = 3  # edited rows; with fewer the table says it all


@dataclass(frozen=True, slots=True)
class Point:
    """`erased`: how much of the concept is still shown; `kept`: how much else is still right; settings as a label."""

    erased: float
    kept: float
    setting: str


@dataclass(frozen=True, slots=True)
class Curves:
    """method -> its points, from the weakest erasure to the strongest; the unedited model stands among the methods."""

    across: str
    upwards: str
    of: Mapping[str, Sequence[Point]]


def curves(case: CaseTables) -> Curves | None:
    """The curves of a case from its first panel, or None where it lacks a column or has hardly a row."""
    panel = case.panels[0] if case.panels else None
    if panel is None or sum(label != REFERENCE for label in panel.labels) < FEW:
        return None
    across = next((c for c in panel.columns if c.role == "target" and c.higher is False), None)
    upwards = next((c for c in panel.columns if c.role in ("related", "unrelated") and c.higher), None)
    if across is None or upwards is None:
        return None
    found: dict[str, list[Point]] = {}
    for i, label in enumerate(panel.labels):
        x, y = across.cells[i].value, upwards.cells[i].value
        if x is not None and y is not None:
            method, _, setting = label.removesuffix(")").partition(" (")
            found.setdefault(method, []).append(Point(x, y, setting))
    ordered = {method: sorted(points, key=lambda p: (-p.erased, p.kept)) for method, points in found.items()}
    return Curves(_axis(across), _axis(upwards), ordered) if found else None


def _axis(column: Shown) -> str:
    return f"{column.header} ({column.role}, n={column.n})"
