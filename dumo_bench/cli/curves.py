"""What `relearn` and `sequence` print: numbers over steps of fine-tuning, and over one erasure after another."""

from __future__ import annotations

import json
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
    for key in dict.fromkeys(
        (row["suite"], row["method"], row["params"], row["fit_seed"], row["order"]) for row in rows
    ):
        own = [r for r in rows if (r["suite"], r["method"], r["params"], r["fit_seed"], r["order"]) == key]
        told = json.loads(key[2])
        how = ", ".join(str(told[name]) for name in ("of", "combine") if name in told)
        echo(f"\n{key[0]}, {key[1]}{f' ({how})' if how else ''}: {key[4]}, by {own[0]['metric']}")
        titles = {"before": "unedited", "left": "right after", "end": "at the end", "relapse": "relapse",
                  "waiting": "change before its turn"}  # fmt: skip
        table(
            [
                {"concept": row["concept"], "n": str(row["n"])} | {t: _ends(row, k) for k, t in titles.items()}
                for row in own
            ]
        )


def _ends(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "-" if value is None else _two(value) + ("" if low is None else f" [{_two(low)}, {_two(high)}]")


def _interval(mark: Mark) -> str:
    return f"{_two(mark.value)} [{_two(mark.low)}, {_two(mark.high)}]"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
