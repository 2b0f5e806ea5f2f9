"""What is left of the concept against what is kept, and the methods that no other one beats in both."""

from __future__ import annotations

from typing import Any

from dumo_bench.report import captions
from dumo_bench.report.cells import Shown
from dumo_bench.report.charts.style import CATEGORIES, GREY, SHAPES, Chart, View, is_rate, made, name, rates
from dumo_bench.report.charts.style import rows as data
from dumo_bench.report.outcomes import Outcome, Outcomes
from dumo_bench.report.plots import front

SAYS = (
    "Further left, less is left of the concept; further up, more of the rest is kept. The line joins what no other "
    "method beats in both (the Pareto front, of the means as they are: intervals are in the tips). The star is the "
    "unedited model."
)


def chart(found: Outcomes) -> Chart | None:
    """None where there are no two methods to set side by side, or nothing that is kept."""
    if len(found.edited) < 2 or not found.kept:
        return None
    views = [_view(found, n, column) for n, column in enumerate(found.kept)]
    return made("Erased against kept", SAYS, *views)


def _view(found: Outcomes, n: int, column: Shown) -> View:
    import altair as alt

    shown = [one for one in found.edited if one.left.value is not None and one.kept[n].value is not None]
    rows = [_row(found, one, n) for one in shown]
    every = [front.Point(str(i), one.left, one.kept[n]) for i, one in enumerate(shown)]
    best = {int(one.label) for one in front.pareto(every)}
    methods = sorted({one.label.method for one in found.edited})
    x = (
        alt.X("left:Q", title=_axis(found.left), scale=alt.Scale(domain=[0, 1]), axis=rates())
        if is_rate(found.left)
        else alt.X("left:Q", title=_axis(found.left), scale=alt.Scale(zero=False, padding=12))
    )
    y = alt.Y("kept:Q", title=_axis(column), scale=alt.Scale(zero=False, nice=False, padding=12))
    named = alt.Scale(domain=methods, range=[CATEGORIES[i % len(CATEGORIES)] for i in range(len(methods))])
    drawn = alt.Scale(domain=methods, range=[SHAPES[i // len(CATEGORIES) % len(SHAPES)] for i in range(len(methods))])
    legend = alt.Legend(title=None, orient="bottom", columns=4) if n == len(found.kept) - 1 else None
    colour = alt.Color("method:N", scale=named, legend=legend)
    tip = [alt.Tooltip(f"{field}:N") for field in ("method", "setting", "shows", "keeps")]
    line = data([row for i, row in enumerate(rows) if i in best])
    points = data(rows).mark_point(filled=True, size=70, opacity=0.85)
    layers = [
        line.mark_line(color=GREY, strokeWidth=1.5, interpolate="step-after").encode(x=x, y=y, order="left:Q"),
        points.encode(x=x, y=y, color=colour, shape=alt.Shape("method:N", scale=drawn, legend=legend), tooltip=tip),
        line.mark_text(align="left", dx=7, dy=-7, color=GREY).encode(x=x, y=y, text="method:N"),
    ]
    before = found.unedited
    if before and before.left.value is not None and before.kept[n].value is not None:
        star = data([_row(found, before, n)])
        layers.append(star.mark_text(text="\N{BLACK STAR}", size=18, color=GREY).encode(x=x, y=y, tooltip=tip))
    return alt.layer(*layers).properties(width="container", height=280)


def _axis(column: Shown) -> str:
    return f"{column.header} ({column.role})"


def _row(found: Outcomes, one: Outcome, n: int) -> dict[str, Any]:
    kept = one.kept[n]
    return {
        "method": name(one.label.method),
        "setting": name(one.label),
        "left": one.left.value,
        "kept": kept.value,
        "shows": captions.line(found.left, one.left),
        "keeps": captions.line(found.kept[n], kept),
    }
