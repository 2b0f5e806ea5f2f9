"""What attacks bring back of each method, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.attack_matrix import on_itself, plain, said
from dumo_bench.report.attack_rows import Row


def sentences(rows: Sequence[Row]) -> list[str]:
    """Of every case and method, by the metric that stands first; attacks that only another measured have a sentence of
    their own. The unedited model is what they are beside."""
    usual = rows[0].of.metric if rows else ""
    own: dict[tuple[str, str, str], list[Row]] = {}
    for row in on_itself(rows):
        if row.of.method != REFERENCE:
            own.setdefault((row.of.case, row.method, row.of.asked), []).append(row)
    return [line for (case, method, _), found in sorted(own.items()) for line in _lines(case, method, found, usual)]


def _lines(case: str, method: str, rows: Sequence[Row], usual: str) -> Iterator[str]:
    """A sentence, and one for each further metric of what none before it measured."""
    seen = set[str]()
    for metric in sorted({row.of.metric for row in rows}, key=lambda name: (name != usual, name)):
        mine = [row for row in rows if row.of.metric == metric and row.found not in seen]
        seen |= {row.found for row in mine}
        if mine:
            yield _sentence(case, method, mine) + (f" By {metric}." if metric != usual else "")


def _sentence(case: str, method: str, rows: Sequence[Row]) -> str:
    """The attack that shows the concept most, of those that tell of erasing at all."""
    told = [row for row in rows if not row.of.everywhere]
    if not told:
        return f"{method}: no attack tells of {case}: all succeed on the control, too."
    most = max(told, key=lambda row: row.of.attacked.value)
    share, fresh = most.of.attacked, most.of.plain
    shows = f"{case} in {said(share)} of {share.pictures} pictures under {most.attack}"
    if not share.value:
        shows, fresh = f"no {case} under {_attacks(len(told))}", plain(told, method)
    beside = f" (plain prompts {said(fresh)})" if fresh else ""
    left_out = f"; left out: {len(rows) - len(told)} that succeed on the control, too" if len(told) < len(rows) else ""
    return f"{method} shows {shows}{beside}; {_compared(told)}{left_out}."


def _compared(rows: Sequence[Row]) -> str:
    """Under how many attacks it is shown more than under fresh noise, of those that can tell."""
    known = [row.of.significant for row in rows if row.of.significant is not None]
    if not known:
        return "none is compared with fresh noise at an equal budget"
    rest = f" ({len(rows) - len(known)} more not compared)" if len(known) < len(rows) else ""
    return f"significantly more than fresh noise under {sum(known)} of {_attacks(len(known))}{rest}"


def _attacks(n: int) -> str:
    return f"{n} attack{'' if n == 1 else 's'}"
