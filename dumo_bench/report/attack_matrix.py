"""Attacks x methods at a glance: of one threat model and one metric what each attack shows of each method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dumo_bench.analysis.attacks import Share
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.attack_rows import Row
from dumo_bench.report.captions import DASH
from dumo_bench.types import WHITE_BOX

PLAIN = "plain prompts"


class Group(NamedTuple):
    """The rows of one threat model and one metric: numbers of two are in no table together."""

    sees: str
    metric: str
    rows: Sequence[Row]


def groups(rows: Sequence[Row]) -> list[Group]:
    """In the order in which they first stand."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row.of.search.sees, row.of.metric), []).append(row)
    return [Group(sees, metric, own) for (sees, metric), own in found.items()]


def matrix(rows: Sequence[Row]) -> list[list[str]]:
    """A head, the plain prompts, and a line an attack and case; a cell is the share that shows the concept, of attacks
    that see the edit that of the search on this very edit. A dash: not measured."""
    own = on_itself(rows)
    methods = sorted({row.method for row in own}, key=lambda name: (name != REFERENCE, name))
    found = [["attack", "case", *methods]]
    for case in sorted({row.of.case for row in own}):
        mine = [row for row in own if row.of.case == case]
        found.append([PLAIN, case, *(said(plain(mine, name)) for name in methods)])
        for attack in sorted({row.attack for row in mine}):
            shown = {row.method: row.of.attacked for row in mine if row.attack == attack}
            found.append([attack, case, *(said(shown.get(name)) for name in methods)])
    return found


def on_itself(rows: Sequence[Row]) -> list[Row]:
    """Without those of attacks that see the edit which were searched on another than they were tried on."""
    return [row for row in rows if row.of.own or row.of.search.sees not in WHITE_BOX]


def plain(rows: Sequence[Row], method: str) -> Share | None:
    """Of the plain prompts of several attacks those of most pictures."""
    there: Iterator[Share] = (row.of.plain for row in rows if row.method == method and row.of.plain)
    return max(there, key=lambda share: share.pictures, default=None)


def said(share: Share | None, *, counted: bool = False) -> str:
    """A share with its interval and, where that is wanted, how many pictures it is of."""
    if share is None:
        return DASH
    ends = "" if share.low is None or share.high is None else f" [{share.low:.2f}, {share.high:.2f}]"
    return f"{share.value:.2f}{ends}" + (f" n={share.pictures}" if counted else "")
