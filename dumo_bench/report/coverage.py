"""How much of a case was measured: pictures expected, seen and failed, scorer by scorer and method by method."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis.coverage import together

if TYPE_CHECKING:
    import pandas as pd

    from dumo_bench.report.variants import Label

_ROLES = ("target", "attack", "related", "unrelated")  # each picture is in one of them


@dataclass(frozen=True, slots=True)
class Covered:
    """What one scorer made of one method's pictures: how many it was given, and measured anything of, and why not all.

    A picture of which the scorer was asked nothing (a style, where the prompt names none) has not failed.
    """

    label: str
    scorer: str
    asked: int
    seen: int
    unasked: int = 0
    why: str = ""

    @property
    def failed(self) -> int:
        """Pictures without any number of which something was asked."""
        return max(0, self.asked - self.seen - self.unasked)


@dataclass(frozen=True, slots=True)
class Coverage:
    """A case's; `whole` is the number of pictures that the suite has for a method, where the suite can be read."""

    whole: int | None
    covered: tuple[Covered, ...]

    @property
    def expected(self) -> int:
        return self.whole or max((one.asked for one in self.covered), default=0)

    @property
    def partial(self) -> bool:
        return self._lacks(self.covered)

    def partial_of(self, labels: Container[str], scorers: Container[str]) -> bool:
        """Whether anything is missing of what some scorers say of some of its methods."""
        return self._lacks(one for one in self.covered if one.label in labels and one.scorer in scorers)

    def _lacks(self, covered: Iterable[Covered]) -> bool:
        return any(one.asked < self.expected or one.failed for one in covered)


def of(rows: pd.DataFrame, labels: Mapping[tuple[Any, ...], Label], key: Sequence[str], whole: int | None) -> Coverage:
    """From the summary of one case; `labels` by the values of the columns `key`, and in what order."""
    mine = rows[rows["role"].isin(_ROLES) & ~rows["change"]]
    counts = mine.assign(asked=mine["n"] + mine["n_missing"])
    most = counts.loc[counts.groupby([*key, "scorer", "role"])["n"].idxmax()]
    sums = most.groupby([*key, "scorer"]).agg({"asked": "sum", "n": "sum", "n_unasked": "sum", "note": together})
    found = {
        (tuple(at[:-1]), at[-1]): (int(asked), int(n), int(unasked), why)
        for at, asked, n, unasked, why in sums.itertuples(name=None)
    }
    scorers = sorted({scorer for _, scorer in found})
    return Coverage(
        whole,
        tuple(
            Covered(str(label), scorer, *found.get((at, scorer), (0, 0, 0, "")))
            for at, label in labels.items()
            for scorer in scorers
        ),
    )


def sentences(coverage: Coverage) -> list[str]:
    """What was expected, seen and failed: the rule in the first sentence, every exception in one of its own."""
    if not coverage.covered:
        return []
    expected = coverage.expected
    usual = max((one.asked for one in coverage.covered), default=0)
    odd = [one for one in coverage.covered if (one.asked, one.seen) != (usual, usual)]
    return [_first(coverage, expected, usual), *_exceptions(odd, usual)]


def short(coverage: Coverage) -> str:
    """What stands over a figure of which something is missing, or nothing."""
    given = sorted({one.asked for one in coverage.covered})
    failed = sum(one.failed for one in coverage.covered)
    some = f"{given[0]} to {given[-1]}" if len(given) > 1 else str(*given)
    said = f"partial: {some} of {coverage.expected} pictures a method" + (f", {failed} failed" if failed else "")
    return said if coverage.partial else ""


def _first(coverage: Coverage, expected: int, usual: int) -> str:
    scorers = ", ".join(dict.fromkeys(one.scorer for one in coverage.covered))
    if not coverage.partial and not coverage.whole:
        known = "how many there should be is not known, since the suite cannot be read"
        return f"{usual} pictures a method seen by {scorers}; {known}."
    if not coverage.partial:
        return f"Complete: {expected} pictures a method expected, {usual} seen, 0 failed, by {scorers}."
    unknown = "" if coverage.whole else " at least (the suite cannot be read)"
    return f"Partial: {expected} pictures a method expected{unknown}, {usual} given to {scorers}."


def _exceptions(odd: Iterable[Covered], usual: int) -> list[str]:
    found: dict[str, list[str]] = {}
    for one in odd:
        if one.asked == 0:
            said = f"{one.scorer} was not run"
        elif one.asked == usual:
            said = f"{one.scorer} measured {one.seen} of {one.asked}, {one.failed} failed{_because(one)}"
        else:
            said = f"{one.scorer} was given {one.asked}, measured {one.seen}, {one.failed} failed{_because(one)}"
        found.setdefault(said, []).append(one.label)
    return [f"{', '.join(labels)}: {said}." for said, labels in found.items()]


def _because(one: Covered) -> str:
    return f" ({one.why})" if one.why else ""
