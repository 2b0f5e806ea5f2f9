"""What attacks bring back, by what they see of the edited model: beside the plain prompts and the unedited model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dumo_bench.analysis.attacks import Share
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.attack_rows import Row
from dumo_bench.report.charts.style import GREY, ROW, SECOND, Chart, View, axis, made, name, rates
from dumo_bench.report.charts.style import rows as data

SAYS = (
    "A chart a threat model, for numbers of two do not compare. The share of pictures that show the erased concept "
    "again: under the attack (filled, with its 95 % interval), under the plain prompts with fresh noise (open), and "
    "under the same attack on the unedited model (a stroke)."
)
CONTROL = " A diamond: under the same attack on the control, which never learnt the concept or cannot lose it."


def charts(found: Sequence[Row]) -> list[Chart]:
    """Of each scorer's metric a chart with a part a threat model."""
    edited = [row for row in found if row.of.method != REFERENCE]
    metrics = sorted({row.of.metric for row in edited})
    by_metric = {metric: [row for row in edited if row.of.metric == metric] for metric in metrics}
    says = SAYS + CONTROL * any(row.of.control for row in edited)
    return [
        made(
            f"Attacks, by {metric}",
            says,
            *(_view(sees, mine) for sees in sorted({row.of.search.sees for row in mine})),
            wide=True,
        )
        for metric, mine in by_metric.items()
    ]


def _view(sees: str, among: Sequence[Row]) -> View:
    import altair as alt

    rows = [point for row in among if row.of.search.sees == sees for point in _points(row)]
    x = alt.X("value:Q", title="shows it again", scale=alt.Scale(domain=[0, 1]), axis=rates())
    y = alt.Y("on:N", title=None, axis=axis(limit=200))
    base, tip = data(rows), [alt.Tooltip(f"{field}:N") for field in ("on", "what", "said")]
    rules = base.mark_rule(color=SECOND).encode(x=alt.X("low:Q", title="shows it again"), x2="high:Q", y=y)
    points = base.mark_point(size=60, color=SECOND).encode(
        x=x, y=y, tooltip=tip, fill=alt.condition("datum.what == 'attack'", alt.value(SECOND), alt.value("transparent"))
    )
    ticks = base.mark_tick(color=GREY, thickness=2).encode(x=x, y=y, tooltip=tip)
    height = ROW * len({row["on"] for row in rows}) + ROW
    diamonds = base.mark_point(size=90, shape="diamond", color=GREY).encode(x=x, y=y, tooltip=tip)
    return alt.layer(
        rules.transform_filter("datum.what == 'attack'"),
        points.transform_filter("datum.what == 'attack' || datum.what == 'plain prompts'"),
        ticks.transform_filter("datum.what == 'unedited'"),
        diamonds.transform_filter("datum.what == 'control'"),
    ).properties(title=f"sees: {name(sees)}", width="container", height=height)


def _points(row: Row) -> list[dict[str, Any]]:
    one = row.of
    found = row.attack if one.own else row.found
    on = name(f"{found}: {row.method}, {one.case}")
    every: dict[str, Share | None] = {
        "attack": one.attacked, "plain prompts": one.plain, "unedited": one.unedited, "control": one.control,
    }  # fmt: skip
    return [
        {
            "on": on, "what": what, "value": share.value, "said": f"{share.value:.2f}, n={share.pictures}",
            "low": share.value if share.low is None else share.low,
            "high": share.value if share.high is None else share.high,
        }
        for what, share in every.items()
        if share is not None
    ]  # fmt: skip
