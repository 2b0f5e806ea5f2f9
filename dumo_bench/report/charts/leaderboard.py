"""The methods of a case, the one that leaves least first: each number as a point with its 95 % interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dumo_bench.report import captions
from dumo_bench.report.cells import Cell, Shown
from dumo_bench.report.charts.style import ACCENT, GREY, ROW, SECOND, Chart, View, axis, is_rate, made, name, rates
from dumo_bench.report.charts.style import rows as data
from dumo_bench.report.outcomes import Outcome, Outcomes

if TYPE_CHECKING:
    import altair as alt

SAYS = (
    "A point a method, with its 95 % interval; the dashed line is the unedited model. Filled: significantly less than "
    "the unedited model. Grey: the scorer hardly recognises the thing even in unedited pictures."
)


def chart(found: Outcomes) -> Chart | None:
    """None of a single row, which the table says."""
    if len(found.of) < 2:
        return None
    columns = [found.left, *found.kept]
    return made("Leaderboard", SAYS, *(_view(found, n, column) for n, column in enumerate(columns)))


def _view(found: Outcomes, n: int, column: Shown) -> View:
    import altair as alt

    rows = [row for row in (_row(found, n, column, place) for place in range(len(found.edited))) if row]
    order, scale = [name(one.label) for one in found.edited], alt.Scale(domain=[0, 1], nice=False)
    y = alt.Y("method:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=axis())
    x = (
        alt.X("value:Q", title=None, scale=scale, axis=rates())
        if is_rate(column)
        else alt.X("value:Q", title=None, scale=alt.Scale(zero=False))
    )
    base = data(rows)
    tip = [alt.Tooltip(f"{field}:N") for field in ("method", "said", "told")]
    layers = [
        base.transform_calculate(value="datum.low")
        .mark_rule(strokeWidth=1.5)
        .encode(x=x, x2="high:Q", y=y, color=alt.Color("kind:N", scale=_kinds(), legend=None)),
        base.mark_point(size=60, filled=False, strokeWidth=1.5).encode(
            x=x,
            y=y,
            tooltip=tip,
            stroke=alt.Stroke("kind:N", scale=_kinds(), legend=None),
            fill=alt.Fill("kind:N", scale=_kinds(), legend=None),
            fillOpacity=alt.condition("datum.significant", alt.value(1), alt.value(0)),
        ),
    ]
    if found.unedited and (before := _cell(found.unedited, n)).value is not None:
        dashed = data([{"value": before.value}])
        layers.insert(0, dashed.mark_rule(strokeDash=[4, 3], color=GREY).encode(x=x))
    title = f"{column.header} {captions.arrow(column)} ({column.role})".replace("  ", " ")
    return alt.layer(*layers).properties(title=title, width="container", height=ROW * len(order))


def _kinds() -> alt.Scale:
    import altair as alt

    return alt.Scale(domain=["less is better", "more is better", "unreliable"], range=[SECOND, ACCENT, GREY])


def _cell(one: Outcome, n: int) -> Cell:
    return one.left if n == 0 else one.kept[n - 1]


def _row(found: Outcomes, n: int, column: Shown, place: int) -> dict[str, Any] | None:
    one = found.edited[place]
    cell, change = _cell(one, n), one.changes[n]
    if cell.value is None:
        return None
    kind = "unreliable" if cell.unreliable else "more is better" if column.higher else "less is better"
    return {
        "method": name(one.label),
        "value": cell.value,
        "low": cell.value if cell.low is None else cell.low,
        "high": cell.value if cell.high is None else cell.high,
        "kind": kind,
        "significant": change.bold and (change.value or 0.0) < 0,
        "said": f"{captions.line(column, cell)}, n={cell.n}",
        "told": f"minus the unedited model's: {captions.line(column, change)}" if change.measured else "not tested",
    }
