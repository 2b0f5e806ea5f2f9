"""Several fits of one method, told apart by their training seed alone, as one row: how much the seed matters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from dumo_bench.report.variants import together

if TYPE_CHECKING:
    from dumo_bench.report.cells import Cell, Panel, Shown


def over(panel: Panel, kin: Sequence[Hashable]) -> Panel | None:
    """The panel with a row for each method of several fits: their mean, in brackets the lowest and the highest.

    `kin`: of each row of the panel what all fits of one method have in common. None where there are no such fits.
    """
    groups = [[i for i, other in enumerate(kin) if other == one] for one in dict.fromkeys(kin)]
    several = [rows for rows in groups if len(rows) > 1]
    if not several:
        return None
    labels = tuple(together([panel.labels[i] for i in rows]) for rows in several)
    columns = tuple(replace(c, cells=tuple(mean(c, rows) for rows in several)) for c in panel.columns)
    title = f"{panel.title} (over training seeds: mean [lowest, highest])"
    return replace(panel, title=title, labels=labels, columns=columns)


def mean(column: Shown, rows: Sequence[int]) -> Cell:
    """The mean over the fits, in brackets the lowest and the highest, of as many pictures as the fit with the fewest;
    nothing where one of them has no number, or where sums are of unequal pictures."""
    cells = [column.cells[i] for i in rows]
    if len(cells) == 1:
        return cells[0]
    sizes = sorted({cell.n for cell in cells})
    known = [cell.valid for cell in cells]
    whole = replace(
        cells[0], value=None, low=None, high=None, n=sizes[0], n_missing=max(cell.n_missing for cell in cells),
        valid=False if False in known else None if None in known else True,
    )  # fmt: skip
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) < len(cells):
        return replace(whole, note="a fit has no number")
    if len(sizes) > 1 and column.counted:
        return replace(whole, note=f"no sum: fits of {sizes[0]} to {sizes[-1]} pictures")
    return replace(whole, value=fmean(values), low=min(values), high=max(values))
