"""Suites whose cases grow: what is left, what is kept, and what it costs, against how many concepts go at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.cells import Cell
from dumo_bench.report.plots import style
from dumo_bench.report.scale import Point, Scale


class Panel(NamedTuple):
    """What one panel shows: of a point its number, with its interval; rate: whether it is one from 0 to 1."""

    title: str
    of: Callable[[Point], Cell]
    rate: bool = True


def panels(of: Scale) -> list[Panel]:
    """Rates, then costs where a run has noted some."""
    every = [
        Panel(f"{of.left.header} ({of.left.role})", lambda point: point.left),
        Panel(f"{of.kept.header} ({of.kept.role})", lambda point: point.kept),
        Panel("seconds of the fit", lambda point: Cell(point.cost.seconds), rate=False),
        Panel("MB of the edit", lambda point: Cell(point.cost.bytes and point.cost.bytes / 1e6), rate=False),
    ]
    return [one for one in every if one.rate or any(line(points, one.of) for points in of.of.values())]


def line(points: Sequence[Point], of: Callable[[Point], Cell]) -> list[tuple[int, float]]:
    """How many concepts go, and the number, where there is one."""
    return [(point.concepts, value) for point in points if (value := of(point).value) is not None]


@style.styled
def growing(of: Scale) -> Any:
    """A panel for each, a line a method, with 95 % intervals; the unedited model where things are kept."""
    shown = panels(of)
    figure, axes = style.figure(2.9 * len(shown) + 1.2, 3.4, len(shown), alike=False)
    counts = sorted({point.concepts for points in of.of.values() for point in points})
    for own, panel in zip(axes, shown, strict=True):
        _lines(own, of.of, panel)
        own.set(xscale="log", title=style.text(panel.title))
        own.set_ylim((-0.03, 1.03) if panel.rate else (0, 1.15 * own.dataLim.y1))
        own.set_xticks(counts, map(str, counts))
        own.minorticks_off()
        own.grid(alpha=0.3)
    unedited = {point.concepts: point.unedited for points in of.of.values() for point in points}
    if known := [(n, cell.value) for n, cell in sorted(unedited.items()) if cell.value is not None]:
        axes[1].plot(*zip(*known, strict=True), "--", color=style.REFERENCE, label=REFERENCE)
    axes[1].legend(fontsize=7)
    figure.supxlabel("concepts erased at once", fontsize="medium")
    figure.suptitle(style.text(of.title), fontsize="medium")
    return figure


def _lines(axes: Any, methods: Mapping[str, Sequence[Point]], panel: Panel) -> None:
    for (label, points), look in zip(methods.items(), style.looks(len(methods)), strict=True):
        if own := line(points, panel.of):
            axes.plot(*zip(*own, strict=True), label=style.text(label), **look)
        for point in points:
            if (cell := panel.of(point)).low is not None:
                axes.vlines(point.concepts, cell.low, cell.high, linewidth=0.8, color=look["color"], alpha=0.4)
