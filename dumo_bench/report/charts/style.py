"""What all charts look like: colours that colour-blind readers can tell apart, sizes, and the value that a chart is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from dumo_bench.report.cells import Shown
from dumo_bench.texts import line

if TYPE_CHECKING:
    import altair as alt


View: TypeAlias = "alt.Chart | alt.LayerChart | alt.FacetChart | alt.HConcatChart"
ACCENT, SECOND, GREY = "#0072b2", "#d55e00", "#8a929e"  # Okabe and Ito's blue and vermilion
CATEGORIES = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#5d6675",
    "#b0a000",
    "#7b4ab5",
    "#a05030",
)
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
ROW = 20  # pixels of a row of a chart with a row a method


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as data. says: what it shows and how it is read. views: Vega-Lite's JSON of each of its parts, which the
    page draws side by side, on a phone below one another. wide: whether a part takes the whole width."""

    title: str
    says: str
    views: tuple[dict[str, Any], ...]
    wide: bool = False


def made(title: str, says: str, *views: View, wide: bool = False) -> Chart:
    """A chart of Altair's as a value. That Vega-Lite takes it is tested, not looked at anew for every page."""
    return Chart(title, says, tuple(map(_spec, views)), wide)


def _spec(view: View) -> dict[str, Any]:
    """Without the address of the schema: the page loads nothing and names nothing that could be loaded."""
    return {key: value for key, value in view.to_dict(validate=False).items() if key not in ("$schema", "config")}


def rows(values: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart of rows that stand in it."""
    import altair as alt

    return alt.Chart(alt.Data(values=[*values]))  # type: ignore[no-untyped-call]


def is_rate(column: Shown) -> bool:
    """Whether a column's numbers are shares, from 0 to 1."""
    return column.known is not None and column.known.metric.kind == "rate"


def name(text: object) -> str:
    """A name on one line."""
    return line(str(text))


def axis(*, limit: int = 112) -> alt.Axis:
    """An axis of names: long ones are cut where they are drawn, so that no two become one."""
    import altair as alt

    return alt.Axis(labelLimit=limit, labelOverlap=False)


def rates() -> alt.Axis:
    """An axis from 0 to 1 on which numbers do not touch."""
    import altair as alt

    return alt.Axis(values=[0, 0.2, 0.4, 0.6, 0.8, 1], format=".1f")
