"""How every figure looks, and what files of them hold: the same bytes for the same numbers, and no date."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import product
from typing import Any, TypeVar

from dumo_bench.texts import plain

F = TypeVar("F", bound=Callable[..., Any])
#: Okabe and Ito's colours, which colour-blind readers tell apart, without yellow, which is faint on white
#: (jfly.uni-koeln.de/color, 2008)
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
REFERENCE = "black"  # of the unedited model
COLUMN, TEXT = 3.4, 7.0  # inches: of a paper's column and page
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 4,
    "svg.hashsalt": "dumo-bench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # letters stay letters: some venues refuse others
}
ENDINGS = (".pdf", ".svg", ".png")


@contextmanager
def applied() -> Iterator[None]:
    """Within it, matplotlib draws in this style."""
    from matplotlib import rc_context
    from matplotlib.rcsetup import cycler

    with rc_context({**_STYLE, "axes.prop_cycle": cycler(color=COLOURS)}):
        yield


def styled(draw: F) -> F:
    """A function that draws, in this style."""

    @wraps(draw)
    def run(*args: Any, **options: Any) -> Any:
        with applied():
            return draw(*args, **options)

    return run  # type: ignore[return-value]


def looks(n: int) -> list[dict[str, str]]:
    """n pairs of colour and marker, no two alike up to 36; neighbours differ in both."""
    every = [
        (colour, MARKERS[(i + shift) % len(MARKERS)]) for shift, (i, colour) in product(range(6), enumerate(COLOURS))
    ]
    return [{"color": every[i % 36][0], "marker": every[i % 36][1]} for i in range(n)]


def figure(width: float, height: float, panels: int = 0, *, alike: bool = True, columns: int = 0) -> tuple[Any, Any]:
    """A figure and its axes; of several panels, in a row or in rows of so many columns, each so high, a list. Inches.
    alike: to one scale."""
    from matplotlib.figure import Figure

    columns = min(columns or panels, panels)
    rows = -(-panels // columns) if panels else 1
    made = Figure(figsize=(width, height * rows), layout="constrained")
    if not panels:
        return made, made.subplots()
    axes = list(made.subplots(rows, columns, sharex=alike, sharey=alike, squeeze=False).ravel())
    for unused in axes[panels:]:
        unused.remove()
    for last in axes[max(0, panels - columns) : panels]:
        last.tick_params(labelbottom=True)
    return made, axes[:panels]


def size(panels: int) -> tuple[float, float]:
    """Width and height of so many panels in a row beside a legend, in inches: of a column, or of a page."""
    return (COLUMN + 0.9, 2.4) if panels == 1 else (TEXT, 2.6)


def text(said: str) -> str:
    """A text that means itself: a dollar begins no formula."""
    return plain(said).replace("$", r"\$")


def svg(made: Any) -> str:
    """SVG whose ids depend on the content alone."""
    return content(made, ".svg").decode()


def content(made: Any, ending: str) -> bytes:
    """What a file of a figure holds, by its ending.

    The layout is made here: `savefig` would draw everything once more to make it.
    """
    from matplotlib.backends import backend_agg, backend_pdf, backend_svg

    canvas, dates = {
        ".svg": (backend_svg.FigureCanvasSVG, {"Date": None}),
        ".pdf": (backend_pdf.FigureCanvasPdf, {"CreationDate": None}),
        ".png": (backend_agg.FigureCanvasAgg, {}),
    }[ending]
    stream = io.BytesIO()
    with applied():
        canvas(made)
        made.set_dpi(72)  # points, in which SVG and PDF are written
        if (engine := made.get_layout_engine()) is not None:
            engine.execute(made)
            made.set_layout_engine(None)
        made.savefig(stream, format=ending[1:], metadata=dates, dpi=300)
    return stream.getvalue()
