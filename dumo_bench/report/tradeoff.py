"""What erasing costs: every setting of a method as a point, its settings joined to a curve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.cells import CaseTables, Shown
from dumo_bench.report.variants import Told

FEW = 3  # edited rows; with fewer the table says it all
NEAR = 0.05  # points that are no further apart, across and upwards, have one label


@dataclass(frozen=True, slots=True)
class Point:
    """`erased`: how much of the concept is still shown; `kept`: how much else is still right; what tells its row."""

    erased: float
    kept: float
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Curves:
    """method -> its points, from the weakest erasure to the strongest; the unedited model stands among the methods."""

    across: str
    upwards: str
    of: Mapping[str, Sequence[Point]]


def curves(case: CaseTables) -> Curves | None:
    """The curves of a case from its first panel; None where it lacks a column, or no method has several settings: what
    methods do that have one each is in the page's chart of all."""
    panel = case.panels[0] if case.panels else None
    if panel is None or sum(label.method != REFERENCE for label in panel.labels) < FEW:
        return None
    across = next((c for c in panel.columns if c.role == "target" and c.higher is False), None)
    upwards = next((c for c in panel.columns if c.role in ("related", "unrelated") and c.higher), None)
    if across is None or upwards is None:
        return None
    found: dict[str, list[Point]] = {}
    for i, label in enumerate(panel.labels):
        x, y = across.cells[i].value, upwards.cells[i].value
        if x is not None and y is not None:
            found.setdefault(label.method, []).append(Point(x, y, label.told))
    ordered = {method: sorted(points, key=lambda p: (-p.erased, p.kept)) for method, points in found.items()}
    several = any(len(points) > 1 for method, points in ordered.items() if method != REFERENCE)
    return Curves(_axis(across), _axis(upwards), ordered) if several else None


def said(method: str, points: Sequence[Point]) -> tuple[str, list[str]]:
    """The title of a method's points, and what each is called beside it: what is said of most points is left out.

    What all of them vary stands in the title. Training seeds are counted, and not named.
    """
    settings = [list(point.told) for point in points]
    if all(setting and all(part.is_seed for part in setting) for setting in settings):
        return f"{method}, {len(points)} training seeds", [""] * len(points)
    often = Counter(part for setting in settings for part in setting)
    usual = {part for part, n in often.items() if 2 * n >= len(points) > 2}
    own = [[part for part in setting if part not in usual] for setting in settings]
    names = {part.name if part.setting else str(part) for setting in own for part in setting}
    if len(names) == 1 and all(own):
        return f"{method} by {names.pop()}", [setting[0].value if setting[0].setting else "" for setting in own]
    if len({tuple(setting) for setting in own}) < len(own):
        own = settings
    return method, [", ".join(map(str, setting)) or "as it is" if often else "" for setting in own]


def labelled(points: Sequence[Point], labels: Sequence[str]) -> Iterator[tuple[Point, str]]:
    """From left to right the points that have a label; those near one another as one, the lowest, a line for each."""
    groups: list[list[tuple[Point, str]]] = []
    for point, label in sorted(zip(points, labels, strict=True), key=lambda pair: (pair[0].erased, -pair[0].kept)):
        near = groups and point.erased - groups[-1][0][0].erased <= NEAR
        if near and abs(point.kept - groups[-1][0][0].kept) <= NEAR:
            groups[-1].append((point, label))
        else:
            groups.append([(point, label)])
    for group in groups:
        if text := "\n".join(label for _, label in group if label):
            yield min((point for point, _ in group), key=lambda point: point.kept), text


def _axis(column: Shown) -> str:
    return f"{column.header} ({column.role}, n={column.n})"
