"""What each method did in a case: what is left of the concept, what is kept of the rest, and whether that is told from
the unedited model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report import captions, seeds, telling
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.variants import Label, together

KEPT = ("related", "unrelated", "kept")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of a case, or the fits of one method together. left, kept: its cells of the columns of `Outcomes`;
    changes: their paired differences from the unedited model, of all fits together; an empty cell where not tested."""

    label: Label
    left: Cell
    kept: tuple[Cell, ...]
    changes: tuple[Cell, ...]

    @property
    def edited(self) -> bool:
        return self.label.method != REFERENCE

    @property
    def erases(self) -> bool | None:
        """Whether significantly less is left than of the unedited model; None: not tested, or says nothing."""
        change = self.changes[0]
        if self.left.unreliable or not change.measured or change.q is None:
            return None
        return change.bold and (change.value or 0.0) < 0

    @property
    def breaks(self) -> bool:
        """Whether significantly less is kept, of anything."""
        return any(change.bold and (change.value or 0.0) < 0 for change in self.changes[1:])


@dataclass(frozen=True, slots=True)
class Outcomes:
    """A case's. left: the column of what is left of the concept, under attack where it was attacked, less is better;
    kept: those of the rest."""

    case: CaseTables
    left: Shown
    kept: tuple[Shown, ...]
    of: tuple[Outcome, ...]

    @property
    def unedited(self) -> Outcome | None:
        return next((one for one in self.of if not one.edited), None)

    @property
    def edited(self) -> tuple[Outcome, ...]:
        """The methods, what leaves least first, of equal ones what keeps most; those without a number last."""
        return tuple(sorted((one for one in self.of if one.edited), key=_rank))

    @property
    def erasers(self) -> tuple[Outcome, ...]:
        """The same of methods, each once: of several fits the mean, in brackets the lowest and the highest."""
        groups: dict[Hashable, list[int]] = {}
        for n, one in enumerate(self.of):
            if one.edited:
                groups.setdefault(self.case.kin[n] if n < len(self.case.kin) else one.label, []).append(n)
        return tuple(sorted(map(self._together, groups.values()), key=_rank))

    def _together(self, fits: Sequence[int]) -> Outcome:
        label, kept = together([self.of[n].label for n in fits]), tuple(seeds.mean(one, fits) for one in self.kept)
        return Outcome(label, seeds.mean(self.left, fits), kept, self.of[fits[0]].changes)


def _rank(one: Outcome) -> tuple[bool, float, float]:
    kept = [cell.value for cell in one.kept if cell.value is not None]
    return one.left.value is None, one.left.value or 0.0, -min(kept, default=0.0)


def of(case: CaseTables) -> Outcomes | None:
    """The outcomes of a case; None where nothing was measured on its targets."""
    whole = list(_whole(case))
    columns = [column for _, column in whole]
    told = telling.chosen([one for one in whole if one[1].higher is False], ("attack", "target"), telling.GONE)
    if told is None:
        return None
    panel, left = told
    labels = panel.labels
    first = [one for one in case.panels[0].columns if one.role in KEPT and one.higher and one.known]
    rates = [one for one in first if one.known and one.known.metric.kind == "rate"]
    kept = tuple(rates or first or [one for one in columns if one.role in KEPT and one.higher][:1])
    changes = _changes(case, (left, *kept))
    untested = (Cell(),) * (1 + len(kept))

    def row(n: int, label: Label) -> Outcome:
        own = changes.get(_kin(case, labels, n), untested)
        return Outcome(label, left.cells[n], tuple(one.cells[n] for one in kept), own)

    return Outcomes(case, left, kept, tuple(row(n, label) for n, label in enumerate(labels)))


def _whole(case: CaseTables) -> Iterator[tuple[Panel, Shown]]:
    """The columns with a row for every fit."""
    for panel in case.panels:
        if len(panel.labels) >= len(case.kin):
            yield from ((panel, column) for column in panel.columns)


def _kin(case: CaseTables, labels: tuple[Label, ...], n: int) -> Label | None:
    """What the fits of a row's method are called together; None of a row that was not run."""
    if n >= len(case.kin):
        return None
    return together([labels[i] for i, kin in enumerate(case.kin) if kin == case.kin[n]])


def _changes(case: CaseTables, columns: tuple[Shown, ...]) -> dict[Label | None, tuple[Cell, ...]]:
    """Of every eraser the paired differences of some columns."""
    found = {one.source: one for panel in case.paired for one in panel.columns}
    labels = case.paired[0].labels if case.paired else ()
    own = [found.get(column.source) for column in columns]
    return {
        label: tuple(Cell() if column is None else column.cells[n] for column in own) for n, label in enumerate(labels)
    }


def sentence(found: Outcomes) -> str:
    """The verdict of a case on one line."""
    tested = [one for one in found.erasers if one.erases is not None]
    if not tested:
        return f"No verdict: {_untested(found)}."
    erasing = [one for one in tested if one.erases]
    best, before = (erasing or tested)[0], found.unedited
    left = captions.number(found.left, best.left)
    said = f"{best.label} {found.left.header} in {left} {captions.interval(found.left, best.left)}".rstrip()
    attacked = " under attack" * (found.left.role == "attack")
    unedited = f" (unedited {captions.number(found.left, before.left)})" if before else ""
    counted = (
        f"{len(erasing)} of {len(tested)} {'method erases' if len(tested) == 1 else 'methods erase'} significantly"
    )
    broken = [one for one in erasing if one.breaks]
    breaks = "breaks" if len(broken) == 1 else "break"
    breaking = f", of which {len(broken)} significantly {breaks} something else" if broken else ""
    return f"{counted}{breaking}. Least left: {said}{attacked}{unedited}, n={best.left.n}{_keeps(found, best)}."


def _keeps(found: Outcomes, one: Outcome) -> str:
    said = [f"{c.header} {captions.number(c, cell)}" for c, cell in zip(found.kept, one.kept, strict=True)]
    return f"; {', '.join(said)}" if said else ""


def _untested(found: Outcomes) -> str:
    if found.case.warning:
        return "the pictures were made under several sampling contracts"
    if not found.edited:
        return "only the unedited model was run"
    if found.unedited is None:
        return "the unedited model was not run"
    if any(one.left.unreliable for one in found.edited):
        return "what measures the concept hardly recognises it in the unedited model's pictures"
    return "there are too few pictures to test"
