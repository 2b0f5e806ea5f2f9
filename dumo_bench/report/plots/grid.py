"""The same prompts and noise drawn by several methods, as a figure: chosen by rule and not by eye."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.report.plots import style
from dumo_bench.storage import copies

if TYPE_CHECKING:
    import polars as pl

PICTURE = ["prompt_id", "seed", "draw"]
#: of scores, what pictures are found by
COLUMNS = ["suite", "suite_version", "case", "method", "params", "fit_seed", "role", "concept", *PICTURE, "key"]
PROMPTS: Mapping[str, int] = {"target": 4, "related": 2, "unrelated": 2, "attack": 2}
_SIDE, _TEXT = 0.62, 1.5  # inches: of a picture, and of the column of prompts


@dataclass(frozen=True, slots=True)
class Line:
    """A prompt with one seed: its role, what is said of it, and a picture a method, None where there is none."""

    role: str
    text: str
    paths: tuple[Path | None, ...]


def lines(rows: pl.DataFrame, out: Path, methods: Sequence[str], texts: Mapping[str, str]) -> list[Line]:
    """Of one case the first prompts of each role, one a concept in turn, as the first fit of each method drew them."""
    import polars as pl

    first = rows.sort("fit_seed", "params", *PICTURE).unique(["method", *PICTURE], keep="first", maintain_order=True)
    found = []
    for role, most in PROMPTS.items():
        own = first.filter(pl.col("role") == role)
        once = own.sort("concept", *PICTURE).unique("prompt_id", keep="first", maintain_order=True)
        turns = once.with_columns(turn=pl.int_range(pl.len()).over("concept")).sort("turn", "concept", "prompt_id")
        for picture in turns.head(most).select(PICTURE).iter_rows():
            keys = dict(own.filter(*(pl.col(n) == v for n, v in zip(PICTURE, picture, strict=True)))
                        .select("method", "key").iter_rows())  # fmt: skip
            paths = tuple(path(out, keys[method]) if method in keys else None for method in methods)
            found.append(Line(role, texts.get(picture[0], picture[0]), paths))
    return found


def path(out: Path, key: str) -> Path | None:
    """A picture of a results folder by its key; None where there is none."""
    if len(key) != 64 or not key.isalnum():
        return None
    found = copies.local(out / "images" / key[:2] / f"{key}.png")
    return found if found.is_file() else None


@style.styled
def draw(found: Sequence[Line], methods: Sequence[str], *, hidden: bool) -> Any:
    """A row a prompt, a column a method; roles stand before their first prompt. hidden: blurred beyond recognition."""
    import textwrap

    from matplotlib.figure import Figure

    width, height = _TEXT + _SIDE * len(methods), _SIDE * len(found) + 0.2
    made = Figure(figsize=(width, height))
    grid = made.subplots(len(found), len(methods), squeeze=False)
    made.subplots_adjust(_TEXT / width, 0.02 / height, 1, 1 - 0.2 / height, 0.04, 0.04)
    for axes, method in zip(grid[0], methods, strict=True):
        axes.set_title(style.text(method), fontsize=7, pad=2)
    for n, (line, row) in enumerate(zip(found, grid, strict=True)):
        begins = n == 0 or found[n - 1].role != line.role
        said = style.text("\n".join(textwrap.wrap(line.text, 24)[:3]))
        row[0].text(-0.08, 0.5, said, transform=row[0].transAxes, ha="right", va="center", fontsize=6)
        if begins:
            row[0].text(
                -_TEXT / _SIDE + 0.1, 0.95, line.role, transform=row[0].transAxes, fontsize=7, weight="bold", va="top"
            )
        for axes, at in zip(row, line.paths, strict=True):
            _shown(axes, at, hidden=hidden)
    return made


def _shown(axes: Any, at: Path | None, *, hidden: bool) -> None:
    """A picture without axes, or an empty frame."""
    from PIL import Image, ImageFilter

    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(at is None)
    if at is None:
        return
    try:
        with Image.open(at) as picture:
            whole = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return
    whole.thumbnail((256, 256))
    axes.imshow(whole.filter(ImageFilter.GaussianBlur(max(whole.size) / 8)) if hidden else whole)
