"""Does fine-tuning bring it back: rates over steps, of each edit and of the unedited model tuned the same way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dumo_bench.analysis.curves import Curve
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.charts.style import CATEGORIES, GREY, Chart, View, made, name
from dumo_bench.report.charts.style import rows as data

SAYS = (
    "The share of pictures that show it after so many steps of fine-tuning, with 95 % intervals. Grey: the unedited "
    "model, tuned the same way."
)


def chart(curves: Sequence[Curve]) -> Chart | None:
    """Of one case: a part a metric and role, the targets' first."""
    ordered = sorted(curves, key=lambda one: (one.role == "kept", one.metric))
    views = [
        _view([one for one in ordered if (one.role, one.metric) == key])
        for key in dict.fromkeys((o.role, o.metric) for o in ordered)
    ]
    return made("Relearning", SAYS, *views) if views else None


def _view(curves: Sequence[Curve]) -> View:
    import altair as alt

    rows = [row for one in curves for row in _rows(one)]
    labels = list(dict.fromkeys(name(one.label) for one in curves))
    unedited = {name(one.label) for one in curves if one.of == REFERENCE}
    colours = [GREY if one in unedited else CATEGORIES[n % len(CATEGORIES)] for n, one in enumerate(labels)]
    legend = alt.Legend(title=None, orient="bottom", columns=1, labelLimit=320)
    colour = alt.Color("edit:N", scale=alt.Scale(domain=labels, range=colours), legend=legend)
    x, y = alt.X("steps:Q", title="steps of fine-tuning"), alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1]))
    base = data(rows).encode(x=x, color=colour)
    tip = [
        alt.Tooltip("edit:N"),
        *(alt.Tooltip(f"{f}:Q", format=".2~f") for f in ("steps", "value", "low", "high", "n")),
    ]
    ends = base.mark_rule().encode(y=alt.Y("low:Q", title=None), y2="high:Q")
    lines = base.mark_line(point=True, strokeWidth=1.5).encode(y=y, tooltip=tip)
    title = f"{curves[0].title} ({curves[0].role})"
    return alt.layer(ends, lines).properties(title=title, width="container", height=240)


def _rows(one: Curve) -> list[dict[str, Any]]:
    return [
        {
            "edit": name(one.label), "steps": mark.steps, "value": mark.value, "n": mark.n,
            "low": mark.value if mark.low is None else mark.low, "high": mark.value if mark.high is None else mark.high,
        }
        for mark in one.marks
        if mark.value is not None
    ]  # fmt: skip
