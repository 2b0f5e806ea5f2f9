"""Prompt by prompt: how far each eraser is from the unedited model, and whether the best is told from all others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dumo_bench.analysis import derived, differences, pairs
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.differences import Difference
from dumo_bench.analysis.pairs import Key, Measured
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown, commonest, parts
from dumo_bench.report.variants import KIN, together
from dumo_bench.storage import scan
from dumo_bench.types import SETS

if TYPE_CHECKING:
    import polars as pl

Kin: TypeAlias = tuple[Any, ...]  # what the fits of one method have in common: one eraser
Rows: TypeAlias = "Mapping[Kin, pl.DataFrame]"  # the scores of every eraser, and of the unedited model
COLUMNS = [*pairs.COLUMNS, *KIN, "erase"]  # of scores, what is tested
TITLE = "Paired difference to the unedited model"


class _Tests(NamedTuple):
    """Of one case: the scores of every eraser, and its differences from the unedited model."""

    erasers: Rows
    against: Mapping[Kin, Sequence[Difference]]


def tested(cases: Sequence[CaseTables], scores: pl.DataFrame, metrics: Catalogue) -> list[CaseTables]:
    """The cases with their tables of paired differences, and the best eraser bold where it is told from every other.

    The differences are corrected over all cases, metrics, roles and erasers. That the best is told from every other is
    one test a column, of the largest p of them (Berger, Technometrics 24 (1982), 295), corrected over all columns; of
    the columns where it is, in the same way, that the second is told from all behind it.
    """
    tests = [_tests(case, scores, metrics) for case in cases]
    against = iter(differences.corrected([found for one in tests for found in one.against.values()]))
    erasers = [one.erasers for one in tests]
    best = told_at(0, cases, erasers, [_columns(case).keys() for case in cases], metrics)
    second = told_at(1, cases, erasers, best, metrics)
    return [
        emphasised(_with_differences(case, {kin: next(against) for kin in one.against}), *told)
        for case, one, *told in zip(cases, tests, best, second, strict=True)
    ]


def told_at(
    place: int, cases: Sequence[CaseTables], erasers: Sequence[Rows], among: Sequence[Collection[Key]], known: Catalogue
) -> list[set[Key]]:
    """Of each case the columns, of some, whose eraser at this place (0: the best) is told from all behind it."""
    p = [dict(_hardest(*one, known, place)) for one in zip(cases, erasers, among, strict=True)]
    told = iter(differences.significant([value for of in p for value in of.values()]))
    return [{key for key in of if next(told)} for of in p]


def _tests(case: CaseTables, scores: pl.DataFrame, metrics: Catalogue) -> _Tests:
    """Nothing where pictures were made under several contracts: they are no pairs."""
    import polars as pl

    of_suite = (pl.col("suite") == case.suite) & (pl.col("suite_version") == case.version)
    mine = scores.filter(of_suite & (pl.col("case") == case.case)).unique(keep="first", maintain_order=True)
    rows = {} if case.warning else dict(mine.group_by(KIN, maintain_order=True))
    erasers = [kin for kin in dict.fromkeys(case.kin) if kin in rows and kin[0] != REFERENCE]
    base = next((rows[kin] for kin in rows if kin[0] == REFERENCE), None)
    sides = [] if base is None else [(rows[kin], base) for kin in erasers]
    against = differences.of_pairs(_measured(sides, _columns(case), metrics))
    return _Tests({kin: rows[kin] for kin in erasers}, dict(zip(erasers, against, strict=False)))


def _hardest(
    case: CaseTables, rows: Rows, among: Collection[Key], metrics: Catalogue, place: int
) -> Iterator[tuple[Key, float]]:
    """Of every column that ranks its erasers, p of the difference between the one at this place and the one behind it
    that it is least told from."""
    there: dict[tuple[Kin, ...], list[Key]] = {}
    for key, column in _columns(case).items():
        ranked = _ranked(column, case.kin) if key in among else []
        if len(ranked) > place + 1 and rows.keys() >= {*ranked}:
            there.setdefault(tuple(ranked[: place + 1]), []).append(key)
    for of, keys in there.items():
        kin = of[-1]
        sides = [(rows[kin], behind) for other, behind in rows.items() if other not in of]
        others = differences.p_values(_measured(sides, keys, metrics))
        yield from ((key, max(p[key] for p in others)) for key in keys if others and all(key in p for p in others))


def _measured(
    sides: Sequence[tuple[pl.DataFrame, pl.DataFrame]], wanted: Collection[Key], metrics: Catalogue
) -> list[list[Measured]]:
    """Of each two sides the metrics and roles that are wanted: measured ones first, then numbers made of them."""
    import polars as pl

    made_of = {key: metrics.named(key[0]).made_of for key in wanted}
    parts = list({part.metric for made in made_of.values() for part in made})
    measured = [key for key in wanted if not made_of[key]]
    whole = [rows.select(*pairs.CASE, "erase").unique(maintain_order=True) for two in sides for rows in two]
    erased = derived.erased(scan.to_frame(pl.concat(whole).unique(maintain_order=True))) if whole else {}
    numbers = [number for number in metrics.numbers if (number.metric.name, number.role) in wanted]
    found = []
    for two in sides:
        plain = pairs.joined(*(_only(one, measured) for one in two))
        of_parts = pairs.joined(*(one.filter(pl.col("metric").is_in(parts)) for one in two))
        found.append([*pairs.pictures(plain), *pairs.numbers(of_parts, numbers, erased)])
    return found


def _only(scores: pl.DataFrame, wanted: Sequence[Key]) -> pl.DataFrame:
    """The scores of some metrics and roles; kept ones are related and unrelated together."""
    import polars as pl

    mine = scores.filter(pl.col("metric").is_in([metric for metric, _ in wanted]))
    kept = mine.filter(pl.col("role").is_in(list(SETS["kept"]))).with_columns(role=pl.lit("kept", pl.Categorical))
    keys = pl.DataFrame(wanted, schema={"metric": pl.Categorical, "role": pl.Categorical}, orient="row")
    return pl.concat([mine, kept]).join(keys, on=["metric", "role"], how="semi", maintain_order="left")


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
