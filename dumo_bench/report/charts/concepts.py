"""One concept is erased, all are measured: how often each is still recognised after each method's edit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dumo_bench.analysis import recognition
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.report import captions
from dumo_bench.report.cells import cell
from dumo_bench.report.charts.style import Chart, View, axis, is_rate, made, name
from dumo_bench.report.charts.style import rows as data
from dumo_bench.report.outcomes import KEPT, Outcomes
from dumo_bench.report.variants import VARIANT, variants
from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd

SAYS = (
    "A row a method, a column a concept: the share of its pictures in which it is recognised. Of the erased "
    "concept (target) less is better, of all others more. "
    "A cross: it is hardly recognised in the unedited model's pictures either."
)
STEP = 20  # pixels of a cell
MOST = 120  # concepts; more are a texture and no chart


def chart(found: Outcomes, summary: pd.DataFrame, metrics: Catalogue) -> Chart | None:
    """`summary`: the rows of the case. None where nothing was measured concept by concept."""
    rows = _rows(found, summary, metrics)
    concepts = {row["concept"] for row in rows}
    if len(concepts) < 2 or len(concepts) > MOST:
        return None
    return made("Every concept", SAYS, _view(rows), wide=True)


def _rows(found: Outcomes, summary: pd.DataFrame, metrics: Catalogue) -> list[dict[str, Any]]:
    wanted = {(one.metric, one.role): one for one in (found.left, *found.kept) if is_rate(one)}
    labels, known = variants(summary[summary["concept"] == "*"]), recognition.of_summary(summary, metrics)
    rows = []
    of_metrics = summary["metric"].isin([metric for metric, _ in wanted])
    places = {key: n for n, key in enumerate(labels)}
    for row in table.records(summary[(summary["concept"] != "*") & ~summary["change"] & of_metrics]):
        column = wanted.get((row["metric"], row["role"]))
        label = labels.get(tuple(row[key] for key in VARIANT))
        if (
            column is None
            or label is None
            or row["value"] is None
            or not column.known
            or column.known.metric.kind != "rate"
        ):
            continue
        one = cell(row, known, metrics)
        rows.append({
            "method": name(label), "concept": name(row["concept"]), "role": row["role"], "metric": column.header,
            "value": row["value"], "mark": "\N{MULTIPLICATION SIGN}" * one.unreliable,
            "said": f"{captions.number(column, one)} {captions.interval(column, one)}".strip(), "n": row["n"],
            "place": places[tuple(row[key] for key in VARIANT)],
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["place"], row["role"], row["concept"]))


def _view(rows: list[dict[str, Any]]) -> View:
    import altair as alt

    methods = list(dict.fromkeys(row["method"] for row in rows))
    tip = [alt.Tooltip(f"{field}:N") for field in ("method", "concept", "role", "metric", "said", "n")]
    legend = alt.Legend(title="recognised", orient="top", gradientLength=160)
    colour = alt.Color("value:Q", scale=alt.Scale(domain=[0, 1], scheme="viridis"), legend=legend)

    def of_role(role: str, *, first: bool) -> View:
        x = alt.X("concept:N", title=None, axis=alt.Axis(labelAngle=-60, labelLimit=110))
        y = alt.Y("method:N", title=None, sort=methods, axis=axis(limit=180) if first else None)
        base = data([row for row in rows if row["role"] == role])
        cells = base.mark_rect().encode(x=x, y=y, color=colour, tooltip=tip)
        crosses = base.mark_text(color="#ffffff", size=12).encode(x=x, y=y, text="mark:N", tooltip=tip)
        return alt.layer(cells, crosses).properties(title=role, width=alt.Step(STEP), height=alt.Step(STEP))

    roles = [one for one in ("target", *KEPT) if any(row["role"] == one for row in rows)]
    return alt.hconcat(*(of_role(role, first=n == 0) for n, role in enumerate(roles)), spacing=8)
