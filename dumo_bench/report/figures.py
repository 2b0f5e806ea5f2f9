"""Figures as SVG text, byte-stable."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dumo_bench.report.tradeoff import Curves


def read_tlmo(path: Path) -> dict[str, NDArray[np.float32]]:
    """The TLMO tables, (20, 13) each, of an edit file, in the order of their numbers; none when there are none."""
    from safetensors import SafetensorError, safe_open

    if not path.exists():
        return {}
    try:
        with safe_open(path, framework="numpy") as tensors:
            found = [name for name in tensors.keys() if re.fullmatch(r"tlmo\.\d+", name)]  # noqa: SIM118
            return {name: tensors.get_tensor(name) for name in sorted(found, key=_number)}
    except SafetensorError:
        return {}


def _number(name: str) -> int:
    return int(name.rpartition(".")[2])


def tlmo(scales: NDArray[np.float32], title: str) -> str:
    """A heat map of one TLMO table (timestep groups, layers): 1 is white, below 1 blue, above 1 red."""
    groups, layers = scales.shape
    figure, axes = _figure(5.6, 4.2)
    reach = max(float(np.abs(scales - 1).max()), 1e-6)
    image = axes.pcolormesh(scales, cmap="RdBu_r", vmin=1 - reach, vmax=1 + reach, edgecolors="white", linewidth=0.3)
    names = [str(i + 1) for i in range(layers - 1)] + ["mid"]
    axes.set_xticks(np.arange(layers) + 0.5, names)
    axes.set_yticks(np.arange(0, groups + 1, 4), [str(1000 * i // groups) for i in range(0, groups + 1, 4)])
    axes.set(xlabel="skip connection", ylabel="timestep t (0: clean)", title=title)
    figure.colorbar(image, ax=axes, label="scale")
    return _svg(figure)


def tradeoff(curves: Curves, title: str) -> str:
    """Erasure (leftwards) against what is kept (upwards): one line a method, its settings written beside the points."""
    figure, axes = _figure(7.2, 5.0)
    for method, points in curves.of.items():
        x, y = [p.erased for p in points], [p.kept for p in points]
        axes.plot(x, y, marker="*" if len(points) == 1 else "o", markersize=5, linewidth=1, label=method, alpha=0.8)
        for point in points:
            axes.annotate(point.setting, (point.erased, point.kept), (4, 4), textcoords="offset points", fontsize=6)
    axes.set(xlabel=curves.across, ylabel=curves.upwards, title=title, xlim=(-0.05, 1.05), ylim=(-0.05, 1.05))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left", fontsize=8)
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Any) -> str:
    """SVG without date and with ids that depend on the content alone."""
    from matplotlib import rc_context

    stream = io.StringIO()
    with rc_context({"svg.hashsalt": "dumo-bench", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()
