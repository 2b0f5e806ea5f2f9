"""How methods fare as more concepts go at once, where a suite has cases that grow: rates, seconds, size of the edit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dumo_bench.analysis.kinds import Kinds
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report import captions, seeds, telling
from dumo_bench.report.cells import CaseTables, Cell, Shown
from dumo_bench.report.cost import is_of
from dumo_bench.report.variants import Label, together

FEW = 3  # cases; with fewer nothing grows


class Cost(NamedTuple):
    """What an edit took and takes: seconds of the fit, bytes of its file; None: not noted."""

    seconds: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A method on a case of so many concepts. left: target pictures that show an erased one; kept: kept pictures that
    show what they are asked for; unedited: the same of the unedited model."""

    concepts: int
    left: Cell
    kept: Cell
    unedited: Cell
    cost: Cost


@dataclass(frozen=True, slots=True)
class Scale:
    """The methods of a suite over cases each of which holds the one before. left, kept: the columns of its numbers."""

    suite: str
    left: Shown
    kept: Shown
    of: Mapping[str, Sequence[Point]]

    @property
    def title(self) -> str:
        return f"{self.suite}: more and more concepts at once"


def scales(cases: Sequence[CaseTables], runs: Sequence[Mapping[str, Any]], kinds: Kinds) -> list[Scale]:
    """The scales of a report's cases; `runs`, the manifests of its folder, say what cases erase and edits cost, `kinds`
    whether that is an object or a style: so is what is kept."""
    found = []
    for suite, version in dict.fromkeys((case.suite, case.version) for case in cases):
        own = [run for run in runs if (run.get("suite"), run.get("suite_version")) == (suite, version)]
        erased = {case: tuple(of["erase"]) for run in own for case, of in _recipes(run) if of["erase"]}
        sizes = _growing(erased)
        grown = [case for case in cases if (case.suite, case.version) == (suite, version) and case.case in sizes]
        if len(grown) >= FEW and (one := _scale(sorted(grown, key=lambda case: sizes[case.case]), sizes, own, kinds)):
            found.append(one)
    return found


def _recipes(run: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from run.get("recipes", {}).items()


def _growing(erased: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The cases, by how many concepts they erase, of the longest list each of which holds the one before."""
    chain: list[str] = []
    for case in sorted(erased, key=lambda case: len(erased[case])):
        if not chain or set(erased[chain[-1]]) < set(erased[case]):
            chain.append(case)
    return {case: len(erased[case]) for case in chain}


def _scale(
    cases: Sequence[CaseTables], sizes: Mapping[str, int], runs: Sequence[Mapping[str, Any]], kinds: Kinds
) -> Scale | None:
    points: dict[str, list[Point]] = {}
    columns = None
    for case in cases:
        kind = kinds.get((case.suite, case.version, case.case), "")
        left, kept = _column(case, "erased", "target"), _column(case, "asked", "kept", kind)
        if left is None or kept is None:
            continue
        columns = left, kept
        labels = next(panel.labels for panel in case.panels if left in panel.columns)
        for kin in dict.fromkeys(of for of in case.kin if of[0] != REFERENCE):
            fits = [n for n, of in enumerate(case.kin) if of == kin]  # a case may have several, another one
            gone, rest = (seeds.mean(column, fits) for column in columns)
            if gone.measured:
                cost = _cost(case.case, kin, labels[fits[0]], runs)
                point = Point(sizes[case.case], gone, rest, telling.unedited(case, kept, kin), cost)
                name = str(replace(together([labels[n] for n in fits]), fits=1))
                points.setdefault(name, []).append(point)
    shown = {label: every for label, every in points.items() if len(every) >= FEW}
    return Scale(cases[0].suite, *columns, shown) if columns and shown else None


def _column(case: CaseTables, measures: str, role: str, kind: str = "") -> Shown | None:
    """The first column of a rate on a role, of a metric that sees this kind of thing, with a row for every fit."""
    return next(
        (
            column
            for panel in case.panels
            for column in panel.columns
            if column.known is not None
            and (column.known.metric.measures, column.known.metric.kind, column.role) == (measures, "rate", role)
            and (not kind or column.known.metric.sees in ("", kind))
            and len(panel.labels) >= len(case.kin)
        ),
        None,
    )


def _cost(case: str, kin: Sequence[Any], label: Label, runs: Iterable[Mapping[str, Any]]) -> Cost:
    """What the edit of a row cost, by the first run that noted it."""
    for run in runs:
        recipe, cost = run.get("recipes", {}).get(case), run.get("edits", {}).get(case)
        if recipe and cost and is_of(recipe, kin, label):
            return Cost(cost.get("seconds"), cost.get("bytes"))
    return Cost()


HEADS = ("concepts", "shows an erased one", "keeps the others", "unedited", "seconds", "MB")


def lines(scale: Scale) -> list[tuple[str, list[str]]]:
    """What each line of a table is called, and its cells as HEADS: a line for each method and case."""
    return [(label, _line(scale, point)) for label, points in scale.of.items() for point in points]


def _line(scale: Scale, point: Point) -> list[str]:
    left, kept = captions.line(scale.left, point.left), captions.line(scale.kept, point.kept)
    unedited, (seconds, size) = captions.number(scale.kept, point.unedited), point.cost
    took = captions.DASH if seconds is None else f"{seconds:.1f}"
    takes = captions.DASH if size is None else f"{size / 1e6:.1f}"
    return [str(point.concepts), left, kept, unedited, took, takes]
