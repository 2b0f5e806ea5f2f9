"""Figures of a report, drawn in one style; as SVG text they are the same bytes for the same numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dumo_bench.analysis.curves import Curve
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.plots import style
from dumo_bench.report.plots.growing import growing
from dumo_bench.report.scale import Scale
from dumo_bench.report.tradeoff import Curves, Point, labelled, said

_ACROSS = 5  # panels in a row, of which more would be too small on a page


def read_tlmo(path: Path) -> dict[str, NDArray[np.float32]]:
    """The TLMO tables, (20, 13) each, of an edit file, in the order of their numbers; none when there are none."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return {}
    try:
        with safe_open(path, framework="numpy") as tensors:
            found = [name for name in tensors.keys() if re.fullmatch(r"tlmo\.\d+", name)]  # noqa: SIM118
            tables = {name: tensors.get_tensor(name) for name in sorted(found, key=_number)}
            return {name: one for name, one in tables.items() if one.ndim == 2 and one.size and np.isfinite(one).all()}
    except (SafetensorError, OSError, TypeError):  # broken, no file, or of a kind that numpy has not
        return {}


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])


def tlmo(scales: NDArray[np.float32], title: str) -> str:
    """`map_of` as SVG."""
    return style.svg(map_of(scales, title))


@style.styled
def map_of(scales: NDArray[np.float32], title: str) -> Any:
    """A heat map of one TLMO table (timestep groups, layers): 1 is white, below 1 blue, above 1 red."""
    groups, layers = scales.shape
    figure, axes = style.figure(5.6, 4.2)
    reach = max(float(np.abs(scales - 1).max()), 1e-6)
    image = axes.pcolormesh(scales, cmap="RdBu_r", vmin=1 - reach, vmax=1 + reach, edgecolors="white", linewidth=0.3)
    names = [str(i + 1) for i in range(layers - 1)] + ["mid"]
    axes.set_xticks(np.arange(layers) + 0.5, names)
    axes.set_yticks(np.arange(0, groups + 1, 4), [str(1000 * i // groups) for i in range(0, groups + 1, 4)])
    axes.set(xlabel="skip connection", ylabel="timestep t (0: clean)", title=style.text(title))
    figure.colorbar(image, ax=axes, label="scale")
    return figure


@style.styled
def tradeoff(curves: Curves, title: str) -> str:
    """Erasure (leftwards) against what is kept (upwards): a panel a method, the others' points behind in unreliable."""
    edited = {method: points for method, points in curves.of.items() if method != REFERENCE}
    columns = min(len(edited), _ACROSS)
    figure, panels = style.figure(max(4.0, 2.2 * columns), 3.6, len(edited), columns=columns)
    every = [point for points in curves.of.values() for point in points]
    lowest = min(point.kept for point in every)
    for axes in panels[::columns]:
        axes.set(ylabel=style.text(curves.upwards))
    panels[0].set(xlim=(-0.06, 1.06), ylim=(np.floor(10 * lowest) / 10 - 0.3, 1.03))
    for axes, (method, points) in zip(panels, edited.items(), strict=True):
        axes.plot([p.erased for p in every], [p.kept for p in every], "o", markersize=2.4, color="0.8", zorder=1)
        for point in curves.of.get(REFERENCE, ()):
            axes.plot(point.erased, point.kept, marker="*", color="black", label=REFERENCE)
        _points(axes, method, points)
    if REFERENCE in curves.of:
        panels[0].legend(loc="lower right", fontsize=7)
    figure.supxlabel(style.text(curves.across), fontsize="medium")
    figure.suptitle(style.text(title), fontsize="medium")
    return style.svg(figure)


def over_steps(curves: Sequence[Curve], title: str) -> str:
    """`steps` as SVG."""
    return style.svg(steps(curves, title))


@style.styled
def steps(curves: Sequence[Curve], title: str) -> Any:
    """Numbers over steps of fine-tuning with their intervals: a panel a metric and role, the targets' first."""
    ordered = sorted(curves, key=lambda one: (one.role == "kept", one.metric))
    shown = list(dict.fromkeys((curve.role, curve.metric) for curve in ordered))
    figure, panels = style.figure(3.4 * len(shown) + 1.2, 3.2, len(shown))
    for axes, (role, metric) in zip(panels, shown, strict=True):
        own = [curve for curve in curves if (curve.role, curve.metric) == (role, metric)]
        for n, curve in enumerate(sorted(own, key=lambda one: (one.of != REFERENCE, one.label))):
            marks = [m for m in curve.marks if m.value is not None and m.low is not None and m.high is not None]
            x, y = [m.steps for m in marks], np.array([m.value for m in marks], dtype=float)
            low, high = (np.array([getattr(m, end) for m in marks], dtype=float) for end in ("low", "high"))
            look = {"color": style.REFERENCE, "linestyle": "--"} if curve.of == REFERENCE else {"color": f"C{n}"}
            axes.errorbar(x, y, yerr=[np.clip(y - low, 0, None), np.clip(high - y, 0, None)], marker="o", markersize=3,
                          linewidth=1, capsize=2, label=style.text(curve.label), **look)  # fmt: skip
        axes.set(xlabel="steps of fine-tuning", ylim=(-0.03, 1.03), title=style.text(f"{own[0].title} ({role})"))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=6)
    figure.suptitle(style.text(title), fontsize="medium")
    return figure


def _points(axes: Any, method: str, points: Sequence[Point]) -> None:
    """A method's points, joined where they are settings; what they are called hangs below them."""
    name, labels = said(method, points)
    joined = "-" if any(labels) else ""
    axes.plot([p.erased for p in points], [p.kept for p in points], joined + "o", markersize=4, linewidth=1)
    for point, text in labelled(points, labels):
        spot, side = (point.erased, point.kept), "left" if point.erased < 0.2 else "center"  # inside the panel
        below = {"textcoords": "offset points", "rotation": 90, "va": "top", "ha": side, "fontsize": 6}
        axes.annotate(style.text(text), spot, (0, -5), annotation_clip=False, **below).set_in_layout(False)
    axes.set_title(style.text(name), fontsize=8)
    axes.grid(alpha=0.3)


def scale(of: Scale) -> str:
    """`growing` as SVG."""
    return style.svg(growing(of))
