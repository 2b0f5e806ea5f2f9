"""Which column of a case says most of a question: is the concept gone, is the rest kept?

Metrics declare what they measure (`Metric.measures`, `sees`): a scorer of anybody's own counts as the project's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.types import Measures

Kin: TypeAlias = tuple[Any, ...]  # the values of variants.KIN: one eraser, whatever its training seed
#: what says whether a concept is gone, and whether the rest is kept: the first of it that was measured
GONE: tuple[Measures, ...] = ("erased", "present", "asked", "fit", "distance")
KEPT: tuple[Measures, ...] = ("asked", "fit", "distance")


def chosen(
    columns: Iterable[tuple[Panel, Shown]], roles: Sequence[str], order: Sequence[Measures], erases: str = ""
) -> tuple[Panel, Shown] | None:
    """The column that says most: of attacks before targets, by what its metric measures, rates before other numbers,
    then as tables have them. erases: an object, a style, explicit content; "": not known."""

    def rank(one: tuple[Panel, Shown]) -> tuple[bool, int, bool, bool]:
        assert one[1].known is not None
        metric, plain = one[1].known.metric, one[1].role != "attack"
        return plain, order.index(metric.measures), metric.kind != "rate", metric.sees not in ("", erases)

    to_go = "target" in roles
    found = [(panel, one) for panel, one in columns if one.role in roles and _says(one, order, to_go)]
    return min(found, key=rank, default=None)


def unedited(case: CaseTables, column: Shown, kin: Kin) -> Cell:
    """The unedited model's number of a column, of a row's model and contract; an empty cell where there is none."""
    cells = zip(column.cells, case.kin, strict=False)
    return next((cell for cell, of in cells if of[0] == REFERENCE and of[3:] == kin[3:]), Cell())


def _says(column: Shown, order: Sequence[Measures], to_go: bool) -> bool:
    """Whether a column is a measured mean of this, and not a part, a sum or made of others.

    What targets should go on showing (the style of an object that is erased) does not say whether it is gone.
    """
    known = column.known
    if known is None or known.number or column.is_part or column.counted or column.higher is None:
        return False
    metric = known.metric
    stays = to_go and metric.measures == "asked" and column.higher
    return metric.measures in order and metric.kind != "set" and not stays
