"""What the edits of a case took: seconds of the fit, megabytes on disk."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import TYPE_CHECKING

from dumo_bench.report.charts.style import ACCENT, ROW, Chart, View, axis, made, name
from dumo_bench.report.charts.style import rows as data
from dumo_bench.report.scale import Cost

if TYPE_CHECKING:
    import altair as alt

SAYS = (
    "What the fit took, on the machine that made it, and what the edit takes on disk, as its file tells. "
    "Both scales are logarithmic."
)
HEADS = {"seconds": "seconds of the fit", "megabytes": "megabytes of the edit"}


def chart(costs: Mapping[str, Cost]) -> Chart | None:
    """`costs`: of each edited row. None where nothing was noted."""
    views = [_view(costs, what) for what in HEADS if len(_values(costs, what)) > 1]
    return made("Cost", SAYS, *views) if views else None


def _values(costs: Mapping[str, Cost], what: str) -> dict[str, float]:
    """Those that a logarithm can show."""
    every = {label: cost.seconds if what == "seconds" else (cost.bytes or 0) / 1e6 for label, cost in costs.items()}
    return {name(label): value for label, value in every.items() if value}


def _view(costs: Mapping[str, Cost], what: str) -> View:
    import altair as alt

    values = _values(costs, what)
    rows = [{"method": label, "value": value, "said": f"{value:,.3g}"} for label, value in values.items()]
    order = sorted(values, key=lambda label: values[label])
    decades = [10.0**n for n in range(floor(log10(min(values.values()))), ceil(log10(max(values.values()))) + 1)]
    ends = alt.Scale(type="log", domain=[decades[0], decades[-1]])
    chart: alt.Chart = (
        data(rows)
        .mark_point(filled=True, size=60, color=ACCENT)
        .encode(
            x=alt.X("value:Q", title=None, scale=ends, axis=alt.Axis(values=decades, format="~g")),
            y=alt.Y("method:N", sort=order, title=None, axis=axis()),
            tooltip=[alt.Tooltip("method:N"), alt.Tooltip("said:N", title=HEADS[what])],
        )
        .properties(title=HEADS[what], width="container", height=ROW * len(order))
    )
    return chart
