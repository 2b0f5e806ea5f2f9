"""What `relearn` and `sequence` print: numbers over steps of fine-tuning, and over one erasure after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dumo_bench.cli.show import echo, table

if TYPE_CHECKING:
    from dumo_bench.analysis.curves import Curve, Mark


def curves(found: Sequence[Curve]) -> None:
    """A line for each fine-tuned edit and what it is measured by: the number at every mark with its interval."""
    from dumo_bench.analysis import curves as over

    lines = []
    for curve in found:
        unedited = over.control(curve, found) if curve.role == "target" else None
        half, gap = (f(curve, unedited) if unedited else None for f in (over.half, over.gap))
        own = {"fine-tuned": curve.label, "case": curve.case, "of": f"{curve.title}, {curve.role}"}
        marks = {f"{mark.steps} steps": _interval(mark) for mark in curve.marks}
        lines.append({**own, **marks, "half at": "-" if half is None else str(half), "gap": _two(gap)})
    heads = sorted({k for one in lines for k in one if k.endswith(" steps")}, key=lambda k: int(k.split()[0]))
    order = ["fine-tuned", "case", "of", *heads, "half at", "gap"]
    table([{name: line.get(name, "") for name in order} for line in lines])


def sequences(rows: Sequence[Mapping[str, Any]]) -> None:
    """A line a concept, in the order of erasure, a table a sequence."""
    from dumo_bench.analysis.sequences import WHAT
    from dumo_bench.report.variants import labels

    called = labels(_variant(row) for row in rows)
    versions = {row["suite"]: {one["suite_version"] for one in rows if one["suite"] == row["suite"]} for row in rows}
    for key in dict.fromkeys((*(row[name] for name in WHAT), row["order"]) for row in rows):
        own = [row for row in rows if (*(row[name] for name in WHAT), row["order"]) == key]
        first = own[0]
        suite = f"{first['suite']} {first['suite_version']}" if len(versions[first["suite"]]) > 1 else first["suite"]
        echo(f"\n{suite}, {called[_variant(first)]}: {first['order']}, by {first['metric']}")
        titles = {"before": "unedited", "left": "right after", "end": "at the end", "relapse": "relapse",
                  "waiting": "change before its turn"}  # fmt: skip
        table(
            [
                {"concept": row["concept"], "n": str(row["n"])} | {t: _ends(row, k) for k, t in titles.items()}
                for row in own
            ]
        )


def _variant(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What `variants` tells methods' rows apart by."""
    from dumo_bench.report.variants import VARIANT

    return tuple(row[name] for name in VARIANT)


def _ends(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "-" if value is None else _two(value) + ("" if low is None else f" [{_two(low)}, {_two(high)}]")


def _interval(mark: Mark) -> str:
    return f"{_two(mark.value)} [{_two(mark.low)}, {_two(mark.high)}]"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
