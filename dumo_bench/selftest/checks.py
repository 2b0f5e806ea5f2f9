"""How a known answer is checked against the tables: what was expected, what was found, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.analysis import catalogue, compare, differences, summary
from dumo_bench.analysis.catalogue import Catalogue, Pick
from dumo_bench.analysis.sides import side
from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Claim:
    """What we know, what was expected, what was found, and whether it holds; None: it could not be checked."""

    method: str
    says: str
    expected: str
    found: str
    holds: bool | None


@dataclass(frozen=True)
class Facts:
    """The tables of a results folder that the known methods were run into."""

    out: Path

    @cached_property
    def summary(self) -> pd.DataFrame:
        whole = summary.read(self.out)
        return whole[whole["concept"] == "*"]

    @cached_property
    def known(self) -> Catalogue:
        return catalogue.of_folder(self.out)

    def metrics(self, *picks: Pick) -> list[str]:
        """The metrics that fit one of these."""
        names = self.summary.loc[~self.summary["change"], "metric"].unique()
        return sorted(name for name in names if any(pick(self.known.named(name)) for pick in picks))

    def unasked(self, metric: str) -> bool:
        """Whether no scorer of a metric, or of a part of it, was run: one that was run and failed has rows too."""
        there = set(self.summary["metric"])
        return any(part not in there for part in self.known.with_parts([metric]))

    def value(self, method: str, metric: str, role: str) -> float | None:
        rows = self.summary[(self.summary["method"] == method) & (self.summary["metric"] == metric)]
        found = table.records(rows[rows["role"] == role])
        return found[0]["value"] if found else None

    def changes(self, method: str, roles: Iterable[str]) -> list[float | None]:
        """The change of each metric's mean; None for what was not measured."""
        rows = self.summary[self.summary["change"] & (self.summary["method"] == method)]
        return [row["value"] for row in table.records(rows[rows["role"].isin(list(roles))])]

    def compared(self, method: str, metric: str = "*") -> list[differences.Difference]:
        """A method against the original; nothing where the metric was not asked for."""
        if metric != "*" and self.unasked(metric):
            return []
        return compare.compare(side(method, self.out), side("original", self.out), metric)


def claim(method: str, says: str, expected: str, found: float | None, holds: Callable[[float], bool]) -> Claim:
    """A claim about a number; one that was not measured does not hold."""
    if found is None:
        return Claim(method, says, expected, "not measured", False)
    return Claim(method, says, expected, f"{found:.4g}", bool(holds(found)))


def unchanged(facts: Facts, method: str, says: str, roles: Iterable[str], within: float) -> Claim:
    """No metric's mean changes by more than `within`, up or down."""
    changes = facts.changes(method, roles)
    largest = max((abs(x) for x in changes if x is not None), default=None)
    found = claim(method, says, "0", largest, lambda x: x <= within)
    return found if changes else _left_out(found)


def at_least(facts: Facts, method: str, says: str, metric: str, role: str, bound: float) -> Claim:
    found, said = facts.value(method, metric, role), f"{says} ({metric}, {role})"
    return _if_asked(facts, metric, claim(method, said, f"at least {bound:g}", found, lambda x: x >= bound))


def at_most(facts: Facts, method: str, says: str, metric: str, role: str, bound: float) -> Claim:
    found, said = facts.value(method, metric, role), f"{says} ({metric}, {role})"
    return _if_asked(facts, metric, claim(method, said, f"at most {bound:g}", found, lambda x: x <= bound))


def same(facts: Facts, method: str, metric: str, role: str, within: float) -> Claim:
    """A number is the original's."""
    wanted, found = facts.value("original", metric, role), facts.value(method, metric, role)
    expected = "not measured" if wanted is None else f"the original's {wanted:.4g}"
    says = f"{metric}, {role}: as the original's"
    holds = claim(method, says, expected, found, lambda x: wanted is not None and abs(x - wanted) <= within)
    return _if_asked(facts, metric, holds)


def further(facts: Facts, method: str, metric: str, role: str, times: float) -> Claim:
    """A distance to real pictures is at least so many times the original's; left out where no pictures were given."""
    base, found = facts.value("original", metric, role), facts.value(method, metric, role)
    ratio = None if found is None or not base else found / base
    says, expected = f"further from real pictures ({metric}, {role})", f"at least {times:g} times the original's"
    one = claim(method, says, expected, ratio, lambda x: x >= times)
    return _left_out(one, "the original's was not measured") if base is None else one


def largest(facts: Facts, method: str, metric: str, role: str, among: Iterable[str]) -> Claim:
    """A method's number is larger than those of some others."""
    others = [facts.value(other, metric, role) for other in among]
    most = None if None in others else max(x for x in others if x is not None)
    found = facts.value(method, metric, role)
    expected = "not measured" if most is None else f"more than {most:.4g}"
    says = f"{metric}, {role}: the largest"
    return claim(method, says, expected, found, lambda x: most is not None and x > most)


def verdict(method: str, says: str, d: differences.Difference, wanted: str) -> Claim:
    """What `compare` makes of a difference."""
    told = compare.verdict(d, "A", "B")
    shown = "" if d.difference is None or d.p is None else f" ({d.difference:+.3g}, p {d.p:.2g})"
    return Claim(method, says, wanted, told + shown, told == wanted)


def unchecked(scorer: str, why: str) -> Claim:
    """Nothing can be said of a scorer."""
    return Claim("", f"claims of {scorer}", "", f"cannot be checked: {why}", None)


def _if_asked(facts: Facts, metric: str, one: Claim) -> Claim:
    return _left_out(one) if facts.unasked(metric) else one


def _left_out(one: Claim, why: str = "no scorer of it was run") -> Claim:
    return replace(one, found=f"left out: {why}", holds=None)
