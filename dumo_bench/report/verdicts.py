"""What a method does to a case, in a line: is the concept gone, is the rest kept, do both differ from the original?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench import report
from dumo_bench.analysis import kinds, results
from dumo_bench.analysis.recognition import LEAST, REFERENCE
from dumo_bench.report import captions, seeds, telling
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.telling import Kin
from dumo_bench.report.variants import Label, together
from dumo_bench.suites import contract
from dumo_bench.types import Recipe, canonical

if TYPE_CHECKING:
    from dumo_bench.run.plan import Plan

_REASONS = {
    "gone": "no scorer measured whether the concept is gone",
    "kept": "no scorer measured whether the rest is kept",
    "value": "no picture was measured",
    "low": "it has no interval",
    "high": "it has no interval",
    "original": "the unedited model was not measured",
    "q": "it was not tested against the unedited model",
    "significant": "it was not tested against the unedited model",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One number of a verdict, with its 95 % interval (of several fits the lowest and the highest), and the unedited
    model's. q: p of the paired difference to that after correction; None: not tested.

    said: the number in words. unreliable: the scorer hardly recognises the thing in unedited pictures either.
    """

    metric: str
    measures: str
    role: str
    higher_is_better: bool
    value: float | None
    low: float | None
    high: float | None
    n: int
    n_missing: int
    original: float | None
    q: float | None
    significant: bool | None
    unreliable: bool
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a method, in as many fits as there are, does to a case; None: nothing measured it.

    kin: its name, version, settings (canonical JSON), model and contract, as tables have them.
    """

    suite: str
    suite_version: int
    case: str
    method: str
    fits: int
    gone: Finding | None
    kept: Finding | None
    kin: Kin
    partial: bool
    warning: str = ""

    def __str__(self) -> str:
        found = [one.said for one in (self.gone, self.kept) if one]
        lacks = [_REASONS[name] for name in ("gone", "kept") if getattr(self, name) is None] if found else []
        said = " and ".join(found) or "is not judged: no scorer measured whether the concept is gone or the rest kept"
        ends = [
            *lacks,
            *(["of a part of the suite"] if self.partial else []),
            *([self.warning] if self.warning else []),
        ]
        return "; ".join([f"{self.suite}, {self.case}: {self.method} {said}", *ends])


def verdicts(case: CaseTables, erases: str) -> list[Verdict]:
    """A verdict for every eraser of a case, else for the unedited model; `erases`: an object, a style, explicit content
    or, where that is not known, ""."""
    kin = [of for of in dict.fromkeys(case.kin) if of[0] != REFERENCE] or list(dict.fromkeys(case.kin))
    columns = [
        (panel, column) for panel in case.panels for column in panel.columns if len(panel.labels) >= len(case.kin)
    ]
    gone = telling.chosen(columns, ("target", "attack"), telling.GONE, erases)
    kept = telling.chosen(columns, ("kept",), telling.KEPT, erases)
    return [_verdict(case, of, gone, kept) for of in kin]


def tables(out: Path, plan: Plan) -> list[CaseTables]:
    """The tables of a plan's cases, of a results folder that may have others."""
    called, ran = names(plan), {part.case.name for part in plan.reference}
    suites = {one: replace(plan.suite, name=one) for one in called}
    return report.cases(report.read(out), suites, lambda suite, case: suite in called and case in ran)


def names(plan: Plan) -> set[str]:
    """What tables may call a plan's suite: with its content, where the folder holds another one too."""
    return {plan.suite.name, results.named(plan.suite.name, plan.content)}


def of_plan(cases: Iterable[CaseTables], plan: Plan) -> list[Verdict]:
    """Those of a plan's own erasers, of tables that may have others."""
    sampling = contract.contract_key(plan.suite, plan.contract)
    own = {(part.case.name, _kin(part.recipe, sampling)) for part in plan.parts or plan.reference}
    erases = {part.case.name: kinds.of_case(plan.suite, part.case) for part in plan.reference}
    mine = (case for case in cases if case.version == plan.suite.version)
    found = (one for case in mine for one in verdicts(case, erases.get(case.case, "")))
    return [one for one in found if (one.case, one.kin) in own]


def _kin(recipe: Recipe, sampling: str) -> Kin:
    return recipe.method, recipe.version, canonical(recipe.params), recipe.model, sampling


def rows(found: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Verdicts as rows; where a value is null, `reasons` says why."""
    return [
        {
            **{name: value for name, value in asdict(one).items() if name != "kin"},
            "gone": _row(one.gone),
            "kept": _row(one.kept),
            "said": str(one),
            "reasons": _REASONS,
        }
        for one in found
    ]


def _row(found: Finding | None) -> dict[str, Any] | None:
    return asdict(found) | {"reasons": _REASONS} if found else None


def _verdict(case: CaseTables, kin: Kin, gone: tuple[Panel, Shown] | None, kept: tuple[Panel, Shown] | None) -> Verdict:
    own = [i for i, of in enumerate(case.kin) if of == kin]
    labels = case.panels[0].labels
    label = together([labels[i] for i in own])
    beside = {str(labels[i]) for i, of in enumerate(case.kin) if of == kin or of[0] == REFERENCE}
    first, second = (_finding(case, own, label, *one) if one else None for one in (gone, kept))
    scorers = {one[1].known.scorer for one in (gone, kept) if one and one[1].known}
    about = (case.suite, case.version, case.case, str(label), len(own))
    return Verdict(*about, first, second, kin, case.coverage.partial_of(beside, scorers), case.warning)


def _finding(case: CaseTables, own: Sequence[int], label: Label, panel: Panel, column: Shown) -> Finding:
    """What a column says of some rows, which are the fits of one eraser."""
    assert column.known is not None and column.higher is not None
    cell = column.cells[own[0]] if len(own) == 1 else _over_fits(case, label, panel, column)
    unedited = telling.unedited(case, column, case.kin[own[0]])
    tested = next(_tested(case, label, column), Cell())
    significant = None if tested.q is None else tested.bold
    erased = label.method != REFERENCE
    said = _said(case.case, column, cell) + (_against(column, unedited, significant) if erased else "")
    metric = column.known.metric
    return Finding(
        column.metric, metric.measures, column.role, column.higher, cell.value, cell.low, cell.high, cell.n,
        cell.n_missing, unedited.value, tested.q, significant, cell.unreliable, said,
    )  # fmt: skip


def _over_fits(case: CaseTables, label: Label, panel: Panel, column: Shown) -> Cell:
    """Their mean, with the lowest and the highest."""
    whole = seeds.over(panel, case.kin)
    assert whole is not None
    return whole.columns[panel.columns.index(column)].cells[whole.labels.index(label)]


def _tested(case: CaseTables, label: Label, column: Shown) -> Iterator[Cell]:
    """The paired difference to the unedited model."""
    for panel in case.paired:
        for one in panel.columns:
            if (one.metric, one.role) == column.source and label in panel.labels:
                yield one.cells[panel.labels.index(label)]


def _said(case: str, column: Shown, cell: Cell) -> str:
    """A number in words."""
    assert column.known is not None
    number = " ".join(filter(None, (captions.number(column, cell), captions.interval(column, cell))))
    of, metric = f"of {cell.n} picture{'' if cell.n == 1 else 's'}", column.known.metric
    missing = " under attack" * (column.role == "attack") + (f" ({cell.n_missing} missing)" if cell.n_missing else "")
    if metric.kind == "rate" and metric.measures == "erased":
        return f"shows {case} in {number} {of}{missing}"
    if metric.kind == "rate" and metric.measures == "present":
        return f"shows what should be gone ({column.metric}) in {number} {of}{missing}"
    if metric.kind == "rate" and metric.measures == "asked" and column.role == "kept":
        return f"keeps the rest in {number} {of}{missing}"
    return f"has {column.metric} {number} on {column.role} prompts, n = {cell.n}{missing}"


def _against(column: Shown, unedited: Cell, significant: bool | None) -> str:
    """The unedited model's number, and whether the difference is significant."""
    said = {None: "not tested", True: "significant", False: "not significant"}[significant]
    told = f"unreliable, recognised in under {LEAST:.0%} of its pictures" if unedited.unreliable else said
    return f" (original {captions.number(column, unedited)}: {told})"
