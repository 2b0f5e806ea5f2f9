"""Erasure against preservation: a panel a case, a mark a method with its intervals, and the Pareto front."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.cells import Cell
from dumo_bench.report.plots import style
from dumo_bench.report.tables import Block, Table


class Point(NamedTuple):
    """A method's number across, of which less is better, and upwards, of which more is."""

    label: str
    across: Cell
    upwards: Cell


def points(labels: Sequence[str], block: Block) -> list[Point]:
    """The methods of a block of two columns of which both were measured."""
    across, upwards = block.columns
    every = (Point(*one) for one in zip(labels, across.cells, upwards.cells, strict=True))
    return [one for one in every if one.across.value is not None and one.upwards.value is not None]


def pareto(found: Sequence[Point]) -> list[Point]:
    """Those that no other beats in both, from left to right."""
    kept: list[Point] = []
    for one in sorted(found, key=lambda p: (p.across.value or 0.0, -(p.upwards.value or 0.0))):
        if not kept or (one.upwards.value or 0.0) > (kept[-1].upwards.value or 0.0):
            kept.append(one)
    return kept


@style.styled
def draw(table: Table) -> Any:
    """The blocks of a table, each of a column of which less is better and one of which more is."""
    often = Counter(label.method for label in table.labels)
    labels = [label.method if often[label.method] == 1 else str(label) for label in table.labels]
    edited = [label for label in labels if label != REFERENCE]
    looks = dict(zip(edited, style.looks(len(edited)), strict=True))
    blocks = [block for block in table.blocks if len(block.columns) == 2 and points(labels, block)]
    made, panels = style.figure(*style.size(len(blocks)), len(blocks))
    for axes, block in zip(panels, blocks, strict=True):
        _panel(axes, block, points(labels, block), looks)
    panels[0].set_ylabel(f"{blocks[0].columns[1].header} (better: up)")
    made.supxlabel(f"{blocks[0].columns[0].header} (better: left)", fontsize=8)
    known = {name: handle for axes in panels for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    made.legend(known.values(), known, loc="outside right center")
    return made


def _panel(axes: Any, block: Block, found: Sequence[Point], looks: dict[str, dict[str, str]]) -> None:
    front = pareto([one for one in found if one.label != REFERENCE])
    steps = [(one.across.value, one.upwards.value) for one in front]
    axes.plot(*zip(*steps, strict=True), drawstyle="steps-post", color="0.75", zorder=1)
    for one in found:
        look = looks.get(one.label, {"color": style.REFERENCE, "marker": "*"})
        bars = {"xerr": _ends(one.across), "yerr": _ends(one.upwards)}
        axes.errorbar(one.across.value, one.upwards.value, **bars, **look, linestyle="", elinewidth=0.5, alpha=0.9,
                      label=style.text(one.label))  # fmt: skip
    axes.set_title(style.text(block.head), fontsize=8)
    axes.grid()


def _ends(cell: Cell) -> list[list[float]] | None:
    """How far the ends of an interval are from its value."""
    if cell.low is None or cell.high is None or cell.value is None:
        return None
    return [[max(cell.value - cell.low, 0.0)], [max(cell.high - cell.value, 0.0)]]
