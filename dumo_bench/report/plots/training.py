"""The losses of fits, as their edits keep them: how far each had come when it stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dumo_bench.errors import UserError
from dumo_bench.report import gallery
from dumo_bench.report.plots import style
from dumo_bench.storage.store import Store

if TYPE_CHECKING:
    import polars as pl

_LEAST = 10  # values; fewer are no curve
_WINDOW = 0.05  # of the steps, over which a thin curve is averaged to a thick one


class Losses(NamedTuple):
    """A fit and one part of it: "esd", "mace: 3"."""

    label: str
    part: str
    values: Sequence[float]


def read(out: Path, rows: pl.DataFrame) -> Iterator[Losses]:
    """The losses of every edit among these rows that is there and kept any."""
    store = Store(out)
    recipes = gallery.recipes(rows)
    often = Counter(recipe.method for recipe in recipes.values())
    for label, recipe in recipes.items():
        try:
            kept = store.edit_header(recipe).get("curves", {})
        except (UserError, OSError):
            continue
        for part, values in parts("", kept):
            yield Losses(recipe.method if often[recipe.method] == 1 else label, part, values)


def parts(name: str, kept: Any) -> Iterator[tuple[str, Sequence[float]]]:
    """The lists of numbers within what an edit kept, each under its names."""
    if isinstance(kept, Mapping):
        for key, one in kept.items():
            yield from parts(f"{name} {key}".strip(), one)
    elif isinstance(kept, list) and all(isinstance(one, (int, float)) for one in kept):
        if len(kept) >= _LEAST:
            yield name, kept
    elif isinstance(kept, list):
        for n, one in enumerate(kept, 1):
            yield from parts(f"{name} {n}".strip(), one)


def smooth(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A running mean over a part of the steps, as long as the values."""
    size = max(1, round(_WINDOW * len(values)))
    padded = np.pad(np.asarray(values, dtype=np.float64), (size // 2, size - 1 - size // 2), mode="edge")
    return np.convolve(padded, np.full(size, 1 / size), mode="valid")


@style.styled
def draw(found: Sequence[Losses], title: str) -> Any:
    """A panel a method, for their losses do not compare: every step thin, the running mean thick."""
    labels = list(dict.fromkeys(one.label for one in found))
    columns = min(4, len(labels))
    made, grid = style.figure(style.TEXT, 1.5, len(labels), alike=False, columns=columns)
    for axes, label in zip(grid, labels, strict=True):
        own = [one for one in found if one.label == label]
        for n, one in enumerate(own):
            steps, colour = np.arange(1, len(one.values) + 1), style.COLOURS[n % len(style.COLOURS)]
            axes.plot(steps, one.values, color=colour, linewidth=0.3, alpha=0.4)
            axes.plot(steps, smooth(one.values), color=colour, label=style.text(one.part) if n < 4 else None)
        axes.set_title(style.text(label), fontsize=7)
        axes.legend(fontsize=5)
        axes.grid()
    made.supxlabel("training steps", fontsize=8)
    made.supylabel("loss", fontsize=8)
    made.suptitle(style.text(title), fontsize=8)
    return made
