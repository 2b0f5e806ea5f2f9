"""Prompt by prompt: how far each eraser is from the unedited model, and whether the best is told from all others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TypeAlias

from dumo_bench.analysis import differences, pairs, values
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.differences import Difference
from dumo_bench.analysis.pairs import Key
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.analysis.scores import Scores
from dumo_bench.analysis.values import Kin, Values
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown, commonest, parts
from dumo_bench.report.variants import KIN, together

Reader: TypeAlias = Callable[[CaseTables], Values]  # the values of a case, of its erasers and the unedited model
BY = [*pairs.CASE, *KIN, "erase"]  # what scores that are tested are found by
TITLE = "Paired difference to the unedited model"


def scores_of(out: Path) -> Scores:
    """What is tested of a results folder."""
    return Scores.of_folder(out, pairs.COLUMNS, BY)


def reader(scores: Scores) -> Reader:
    """The values of cases, of scores by `BY`."""
    return lambda case: values_of(scores, (case.suite, case.version, case.case), case.kin)


def values_of(scores: Scores, about: tuple[str, int, str], kin: Iterable[Kin]) -> Values:
    """The values of a case, of some erasers and the first of the unedited models that is there."""
    unedited = scores.of_case(*about).filter(method=REFERENCE)
    return values.of_case(scores, about, KIN, {*kin, *unedited.head(1).select(KIN).iter_rows()})


def tested(cases: Sequence[CaseTables], read: Reader, metrics: Catalogue) -> list[CaseTables]:
    """The cases with their tables of paired differences, and the best eraser bold where it is told from every other.

    The differences are corrected over all cases, metrics, roles and erasers. That the best is told from every other is
    one test a column, of the largest p of them (Berger, Technometrics 24 (1982), 295), corrected over all columns; of
    the columns where it is, in the same way, that the second is told from all behind it. Pictures that were made under
    several contracts are no pairs.
    """
    every = [None if case.warning else read(case) for case in cases]
    tests = [_against(case, found, metrics) if found else {} for case, found in zip(cases, every, strict=True)]
    against = iter(differences.corrected([found for one in tests for found in one.values()]))
    best = told_at(0, cases, every, [_columns(case).keys() for case in cases], metrics)
    second = told_at(1, cases, every, best, metrics)
    return [
        emphasised(_with_differences(case, {kin: next(against) for kin in one}), *told)
        for case, one, *told in zip(cases, tests, best, second, strict=True)
    ]


def told_at(
    place: int,
    cases: Sequence[CaseTables],
    every: Sequence[Values | None],
    among: Sequence[Collection[Key]],
    known: Catalogue,
) -> list[set[Key]]:
    """Of each case the columns, of some, whose eraser at this place (0: the best) is told from all behind it."""
    p = [dict(_hardest(*one, known, place)) if one[1] else {} for one in zip(cases, every, among, strict=True)]
    told = iter(differences.significant([value for of in p for value in of.values()]))
    return [{key for key in of if next(told)} for of in p]


def _against(case: CaseTables, found: Values, metrics: Catalogue) -> dict[Kin, list[Difference]]:
    """The differences of every eraser from the unedited model."""
    base = next((kin for kin in found.of if kin[0] == REFERENCE), None)
    erasers = _erasers(case, found) if base else []
    sides = [(kin, base) for kin in erasers if base]
    against = differences.of_pairs(found.measured(sides, _columns(case), metrics.numbers))
    return dict(zip(erasers, against, strict=True))


def _erasers(case: CaseTables, found: Values) -> list[Kin]:
    return [kin for kin in dict.fromkeys(case.kin) if kin in found.of and kin[0] != REFERENCE]


def _hardest(
    case: CaseTables, found: Values | None, among: Collection[Key], metrics: Catalogue, place: int
) -> Iterator[tuple[Key, float]]:
    """Of every column that ranks its erasers, p of the difference between the one at this place and the one behind it
    that it is least told from."""
    assert found is not None
    erasers = _erasers(case, found)
    there: dict[tuple[Kin, ...], list[Key]] = {}
    for key, column in _columns(case).items():
        ranked = _ranked(column, case.kin) if key in among else []
        if len(ranked) > place + 1 and {*erasers} >= {*ranked}:
            there.setdefault(tuple(ranked[: place + 1]), []).append(key)
    for of, keys in there.items():
        sides = [(of[-1], other) for other in erasers if other not in of]
        others = differences.p_values(found.measured(sides, keys, metrics.numbers))
        yield from ((key, max(p[key] for p in others)) for key in keys if others and all(key in p for p in others))


def _by_key(found: Iterable[Difference]) -> dict[Key, Difference]:
    return {(d.metric, d.role): d for d in found}


def _columns(case: CaseTables) -> dict[Key, Shown]:
    """What is tested, by metric and role; a number that is another turned round (UA) is no test of its own."""
    found: dict[Key, Shown] = {}
    for panel in _own(case):
        for column in panel.columns:
            if not column.is_part:
                found.setdefault(column.source, column)
    return found


def _own(case: CaseTables) -> list[Panel]:
    """The panels with a row for every fit."""
    return [panel for panel in case.panels if len(panel.labels) == len(case.kin)]


def _ranked(column: Shown, kin: Sequence[Kin]) -> list[Kin]:
    """The erasers, best first, if all were measured on equally many pictures of what the scorer recognises."""
    cells = [(of, cell) for of, cell in zip(kin, column.cells, strict=True) if of[0] != REFERENCE]
    alike = len({(cell.n, cell.n_missing) for _, cell in cells}) == 1
    if column.higher is None or not alike or any(cell.unreliable or cell.value is None for _, cell in cells):
        return []
    values: dict[Kin, list[float]] = {}
    for of, cell in cells:
        values.setdefault(of, []).append(cell.value or 0.0)
    sign = -1 if column.higher else 1
    return sorted(values, key=lambda of: sign * fmean(values[of]))


def emphasised(case: CaseTables, best: Collection[Key], second: Collection[Key] = ()) -> CaseTables:
    """With the best eraser of some metrics and roles bold, and the second of some marked, in every panel that has a row
    for every fit."""
    own = _own(case)
    marked = (_marked(panel, case.kin, best, second) if panel in own else panel for panel in case.panels)
    return replace(case, panels=tuple(marked))


def _marked(panel: Panel, kin: Sequence[Kin], best: Collection[Key], second: Collection[Key]) -> Panel:
    def marked(column: Shown) -> Shown:
        ranked = _ranked(column, kin)
        bold, underlined = (ranked[n : n + 1] if column.source in told else [] for n, told in enumerate((best, second)))
        pairs = zip(kin, column.cells, strict=True)
        cells = (replace(cell, bold=of in bold, second=of in underlined) for of, cell in pairs)
        return replace(column, cells=tuple(cells))

    return replace(panel, columns=tuple(map(marked, panel.columns)))


def _with_differences(case: CaseTables, against: Mapping[Kin, Sequence[Difference]]) -> CaseTables:
    """With a row for every eraser and a column for everything that was tested."""
    by_kin = {kin: _by_key(found) for kin, found in against.items()}
    columns = [
        _column(key, column, case.kin, by_kin)
        for key, column in _columns(case).items()
        if any(key in found for found in by_kin.values())
    ]
    if not columns:
        return case
    labels = case.panels[0].labels
    names = tuple(together([labels[i] for i, of in enumerate(case.kin) if of == kin]) for kin in by_kin)
    family = max(d.family for found in against.values() for d in found)
    return replace(case, paired=tuple(parts(Panel(TITLE, names, tuple(columns)))), family=family)


def _column(key: Key, column: Shown, kin: Sequence[Kin], by_kin: Mapping[Kin, Mapping[Key, Difference]]) -> Shown:
    """The differences of one metric on one role; of counts those of their means."""
    cells = tuple(_cell(found.get(key), column.cells[kin.index(of)]) for of, found in by_kin.items())
    n, n_missing = commonest(cells)
    turned = key != (column.metric, column.role)
    header = key[0] if turned else f"{column.header}, a picture" if column.counted else column.header
    higher = column.higher if column.higher is None or not turned else not column.higher
    return Shown(header, *key, higher, column.digits or 2, n, n_missing, cells)


def _cell(d: Difference | None, shown: Cell) -> Cell:
    if d is None:
        return Cell()
    bold, note = d.separable and shown.valid is not False, "" if d.p is not None else d.how
    return Cell(d.difference, d.low, d.high, d.n, d.n_missing, True, bold, note, shown.valid, d.q)
