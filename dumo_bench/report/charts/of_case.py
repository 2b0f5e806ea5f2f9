"""All charts of a case for which there are data, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.curves import Curve
from dumo_bench.report.charts import concepts, cost, leaderboard, pareto, relearning, sweep, training
from dumo_bench.report.charts.style import Chart
from dumo_bench.report.outcomes import Outcomes
from dumo_bench.report.scale import Cost

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class More:
    """What a case's charts are made from beside its tables; each by the name of its row. losses: as edits' headers tell
    them; swept: NudeNet's rates over thresholds; tuned: of the case alone."""

    costs: Mapping[str, Cost] = field(default_factory=dict)
    losses: Mapping[str, Any] = field(default_factory=dict)
    swept: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    tuned: Sequence[Curve] = ()


def charts(found: Outcomes | None, summary: pd.DataFrame, metrics: Catalogue, more: More) -> list[Chart]:
    """`summary`: the rows of the case."""
    of_tables = (
        (leaderboard.chart(found), pareto.chart(found), concepts.chart(found, summary, metrics)) if found else ()
    )
    every = (
        *of_tables,
        sweep.chart(more.swept),
        relearning.chart(more.tuned),
        training.chart(more.losses),
        cost.chart(more.costs),
    )
    return [one for one in every if one]
