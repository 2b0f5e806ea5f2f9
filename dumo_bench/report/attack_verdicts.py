"""What attacks bring back of each method, a sentence each."""

from __future__ import annotations

from collections.abc import Sequence

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.attack_matrix import on_itself, plain, said
from dumo_bench.report.attack_rows import Row


def sentences(rows: Sequence[Row]) -> list[str]:
    """Of every case and method, by the metric that stands first; the unedited model is what they are beside."""
    metric = rows[0].of.metric if rows else ""
    own: dict[tuple[str, str], list[Row]] = {}
    for row in on_itself(rows):
        if row.of.metric == metric and row.of.method != REFERENCE:
            own.setdefault((row.of.case, row.method), []).append(row)
    return [_sentence(case, method, found) for (case, method), found in sorted(own.items())]


def _sentence(case: str, method: str, rows: Sequence[Row]) -> str:
    """The attack that shows the concept most, of those that tell of erasing at all."""
    told = [row for row in rows if not row.of.everywhere]
    if not told:
        return f"{method}: no attack tells of {case}: all succeed on the control, too."
    most, fresh = max(told, key=lambda row: row.of.attacked.value), plain(told, method)
    share, better = most.of.attacked, sum(bool(row.of.significant) for row in told)
    n = f"{len(told)} attack{'' if len(told) == 1 else 's'}"
    shows = f"{case} in {said(share)} of {share.pictures} pictures under {most.attack}"
    if not share.value:
        shows = f"no {case} under {n}"
    beside = f" (plain prompts {said(fresh)})" if fresh else ""
    left_out = f"; left out: {len(rows) - len(told)} that succeed on the control, too" if len(told) < len(rows) else ""
    return f"{method} shows {shows}{beside}; significantly more than fresh noise under {better} of {n}{left_out}."
