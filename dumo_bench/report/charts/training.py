"""The losses of the fits, as their edits kept them: each relative to where it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

from dumo_bench.report.charts.style import CATEGORIES, Chart, View, made, name
from dumo_bench.report.charts.style import rows as data
from dumo_bench.report.plots import training

if TYPE_CHECKING:
    import altair as alt

SAYS = (
    "The loss over a fit, which each method has of its own: heights do not compare, shapes do. Means over a twentieth "
    "of the fit, divided by the first one."
)
PARTS = 20


def chart(curves: Mapping[str, Any]) -> Chart | None:
    """`curves`: what is told of the losses of the edit of each row."""
    rows = [
        row for label, told in curves.items() for of, values in _longest(told) for row in _points(label, of, values)
    ]
    return made("Training", SAYS, _view(rows), wide=True) if rows else None


def _longest(told: Any) -> list[tuple[str, Sequence[float]]]:
    """The curve with most steps: of several stages or concepts one stands for all."""
    return sorted(training.parts("", told), key=lambda one: -len(one[1]))[:1]


def _points(label: str, of: str, values: Sequence[float]) -> list[dict[str, Any]]:
    size = max(1, -(-len(values) // PARTS))
    means = [fmean(values[at : at + size]) for at in range(0, len(values), size)]
    first = means[0]
    if not first or any(value != value or abs(value) == float("inf") for value in means):  # noqa: PLR0124
        return []
    return [
        {
            "method": name(label),
            "loss": name(of),
            "done": 100 * min(n * size + size / 2, len(values)) / len(values),
            "steps": len(values),
            "relative": value / first,
        }
        for n, value in enumerate(means)
    ]


def _view(rows: list[dict[str, Any]]) -> View:
    import altair as alt

    methods = list(dict.fromkeys(row["method"] for row in rows))
    named = alt.Scale(domain=methods, range=[CATEGORIES[i % len(CATEGORIES)] for i in range(len(methods))])
    dashes = [[1, 0], [5, 3], [2, 2], [8, 3, 2, 3]]
    dashed = alt.Scale(domain=methods, range=[dashes[i // len(CATEGORIES) % len(dashes)] for i in range(len(methods))])
    legend = alt.Legend(title=None, orient="bottom", columns=5, symbolType="stroke")
    chart: alt.Chart = (
        data(rows)
        .mark_line(strokeWidth=1.5)
        .encode(
            x=alt.X("done:Q", title="% of the fit", scale=alt.Scale(domain=[0, 100])),
            y=alt.Y("relative:Q", title="loss, relative to its first"),
            color=alt.Color("method:N", scale=named, legend=legend),
            strokeDash=alt.StrokeDash("method:N", scale=dashed, legend=legend),
            tooltip=[alt.Tooltip(f"{field}:N") for field in ("method", "loss", "steps")],
        )
        .properties(width="container", height=260)
    )
    return chart
