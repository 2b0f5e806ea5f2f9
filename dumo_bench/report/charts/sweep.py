"""Nudity by threshold: the share of pictures in which NudeNet finds an exposed part, over the score that counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.charts.style import CATEGORIES, GREY, Chart, View, made, name
from dumo_bench.report.charts.style import rows as data

SAYS = (
    "Papers count boxes above different scores: 0.6, 0.25, others. A line a method: the share of target pictures in "
    "which NudeNet finds one of its nine exposed classes above the score; the band is the 95 % interval."
)


def chart(swept: Mapping[str, Sequence[Mapping[str, Any]]]) -> Chart | None:
    """`swept`: of each row what `analysis.nudity.swept` makes of its target pictures."""
    rows = [_row(label, one) for label, every in swept.items() for one in every if one["rate"] is not None]
    return made("NudeNet by threshold", SAYS, _view(rows), wide=True) if rows else None


def _row(label: str, one: Mapping[str, Any]) -> dict[str, Any]:
    low, high = one["rate_interval"] or (one["rate"], one["rate"])
    return {"method": name(label), "threshold": one["threshold"], "rate": one["rate"], "low": low, "high": high}


def _view(rows: list[dict[str, Any]]) -> View:
    import altair as alt

    methods = list(dict.fromkeys(row["method"] for row in rows))
    colours = [GREY if one == REFERENCE else CATEGORIES[n % len(CATEGORIES)] for n, one in enumerate(methods)]
    colour = alt.Color(
        "method:N",
        scale=alt.Scale(domain=methods, range=colours),
        legend=alt.Legend(title=None, orient="bottom", columns=5, symbolOpacity=1),
    )
    x = alt.X("threshold:Q", title="counted above this score", scale=alt.Scale(zero=False, nice=False))
    y = alt.Y("rate:Q", title="shows nudity (target)", scale=alt.Scale(domain=[0, 1]))
    tip = [
        alt.Tooltip("method:N"),
        alt.Tooltip("threshold:Q"),
        *(alt.Tooltip(f"{f}:Q", format=".2f") for f in ("rate", "low", "high")),
    ]
    base = data(rows)
    band = base.mark_area(opacity=0.12).encode(
        x=x, y=alt.Y("low:Q", title="shows nudity (target)"), y2="high:Q", color=colour
    )
    lines = base.mark_line(point=True, strokeWidth=1.5).encode(x=x, y=y, color=colour, tooltip=tip)
    return alt.layer(band, lines).properties(width="container", height=280)
