"""What the report shows, as values: which columns, which rows. Renderers only print it; paired.py marks its cells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from dumo_bench.analysis import recognition, results
from dumo_bench.analysis.catalogue import Catalogue, Known
from dumo_bench.analysis.kinds import Kinds
from dumo_bench.analysis.recognition import REFERENCE, DetectionRate, Place
from dumo_bench.analysis.summary import higher
from dumo_bench.report import contract, coverage, seeds
from dumo_bench.report.cells import MOST, CaseTables, Cell, Panel, Shown, cell, commonest, parts
from dumo_bench.report.contract import Contracts
from dumo_bench.report.panels import OTHERS, PANELS, Panels, Wanted, others
from dumo_bench.report.variants import KIN, VARIANT, Key, Label, distinct, variants
from dumo_bench.run.given import told
from dumo_bench.storage.table import records

if TYPE_CHECKING:
    import pandas as pd

Sizes: TypeAlias = Mapping[tuple[str, int], int]  # (suite, version) -> its pictures a method
Only: TypeAlias = Callable[[str, str], bool]  # whether a suite's case is wanted


@dataclass(frozen=True, slots=True)
class Sources:
    """What the tables are built from: a summary, what its metrics are, what its cases erase, how large its suites are,
    and how their pictures were sampled."""

    summary: pd.DataFrame
    metrics: Catalogue
    kinds: Kinds = field(default_factory=dict)
    sizes: Sizes = field(default_factory=dict)
    contracts: Contracts = field(default_factory=dict)


def build(
    given: Sources, wanted: Panels | None = None, most: int = MOST, only: Only = lambda suite, case: True
) -> list[CaseTables]:
    """The tables of every suite and case, in order, of `only` some. wanted: their panels, of at most so many columns,
    in place of the report's own."""
    whole = given.summary[given.summary["concept"] == "*"]
    keys = distinct(whole, "suite", "suite_version", "case")
    return [_case(given, key, wanted, most) for key in keys if only(str(key[0]), str(key[2]))]


def _case(given: Sources, key: tuple[str, int, str], wanted: Panels | None, most: int) -> CaseTables:
    suite, version, case = key
    of_suite = given.summary[(given.summary["suite"] == suite) & (given.summary["suite_version"] == version)]
    every, warning = of_suite[of_suite["case"] == case], mixture(of_suite, given.contracts)
    rows = every[every["concept"] == "*"]
    labels, known = variants(rows), recognition.of_summary(every, given.metrics)
    kin = tuple(tuple(value for name, value in zip(VARIANT, of, strict=True) if name in KIN) for of in labels)
    maker = _Maker(rows, labels, given.metrics, given.kinds.get(key, ""), known)
    own = {**PANELS, OTHERS: tuple(maker.others())} if wanted is None else wanted
    panels = [maker.panel(title, columns) for title, columns in own.items()]
    shown = tuple(
        part for panel in panels for whole in (panel, seeds.over(panel, kin)) if whole for part in parts(whole, most)
    )
    contents = set(rows["content"].dropna()) if "content" in rows else set()
    suites = {name for name, _ in given.sizes}
    named = results.among(suites, suite, contents.pop() if len(contents) == 1 else None)
    covered = coverage.of(rows, labels, VARIANT, given.sizes.get((named, version)))
    said = " ".join([contract.line(sorted(set(every["sampling"])), given.contracts), *_given(labels)])
    rarely_detected = tuple(recognition.rarely_detected(known))
    attacked = "attack" in set(rows["role"])
    return CaseTables(
        suite, version, case, shown, warning, covered, rarely_detected, kin, contract=said, attacked=attacked
    )


def _given(labels: Iterable[Key]) -> list[str]:
    """What the methods of these rows were given beside their settings: a model's own plans, published lists."""
    params = VARIANT.index("params")
    return list(dict.fromkeys(line for key in labels for line in told(str(key[0]), json.loads(key[params]))))


def refused(case: CaseTables, reasons: Mapping[str, str]) -> CaseTables:
    """With a row for each method that the model cannot run, method -> why: n/a in every column, and the reason."""
    if not reasons:
        return case
    there = {of[0] for of in case.kin}  # a method that another model could run has its row
    labels = tuple(Label(method) for method in reasons if method not in there)
    cells = (Cell(note="n/a"),) * len(labels)

    def longer(panel: Panel) -> Panel:
        columns = tuple(replace(column, cells=column.cells + cells) for column in panel.columns)
        return replace(panel, labels=panel.labels + labels, columns=columns)

    own = [panel for panel in case.panels if len(panel.labels) == len(case.kin)]  # a row for every fit
    shown = tuple(longer(panel) if panel in own else panel for panel in case.panels)
    said = [f"{method}: n/a, {reason}." for method, reason in reasons.items()]
    return replace(case, panels=shown, contract=" ".join([case.contract, *said]))


def mixture(suite: pd.DataFrame, known: Contracts) -> str:
    """Why the methods of one suite cannot be compared, or nothing."""
    contracts = distinct(suite, "model", "sampling")
    if len(contracts) < 2:
        return ""
    parts, keys = [], [sampling for _, sampling in contracts]
    for model, sampling in contracts:
        methods = suite.loc[(suite["model"] == model) & (suite["sampling"] == sampling), "method"]
        told = f"model {model[:8]}, contract {sampling}{contract.apart(sampling, keys, known)}"
        parts.append(f"{told}: {', '.join(sorted(set(methods)))}")
    return (
        f"{suite['suite'].iloc[0]}: the pictures were made under {len(parts)} sampling contracts "
        f"({'; '.join(parts)}). Their numbers do not compare, so nothing is ranked."
    )


def _told_apart(column: Shown, among: Iterable[Shown]) -> Shown:
    """Two metrics that fit one header carry their names."""
    alike = [other for other in among if (other.header, other.role) == (column.header, column.role)]
    return replace(column, header=f"{column.header} {column.metric}") if len(alike) > 1 else column


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the panels of one case from the rows of its summary."""

    rows: pd.DataFrame
    labels: Mapping[Key, Label]
    metrics: Catalogue
    erases: str
    detection_rates: Mapping[Place, DetectionRate]

    def panel(self, title: str, wanted: Sequence[Wanted]) -> Panel:
        kind = self.erases if self.erases in ("object", "style") else ""
        every = [(one, self._column(one, known)) for one in wanted if kind in one.kinds for known in self._fitting(one)]
        measured = [(one, column) for one, column in every if any(cell.measured for cell in column.cells)]
        if any(one.leads for one in wanted) and not any(one.leads for one, _ in measured):
            measured = []
        columns = [column for _, column in every]
        shown = [_told_apart(column, columns) for _, column in measured]
        return Panel(title, tuple(self.labels.values()), tuple(shown))

    def others(self) -> list[Wanted]:
        """Columns for the metrics of scorers that no panel names."""
        names = self.rows.loc[~self.rows["change"], "metric"].unique()
        return list(others(self.metrics.named(name) for name in sorted(names)))

    def _fitting(self, wanted: Wanted) -> list[Known]:
        of_role = self.rows.loc[(self.rows["role"] == wanted.role) & ~self.rows["change"], "metric"].unique()
        return [known for known in map(self.metrics.named, sorted(of_role)) if wanted.metric(known)]

    def _column(self, wanted: Wanted, known: Known) -> Shown:
        metric = known.metric
        mine = self.rows[(self.rows["role"] == wanted.role) & (self.rows["metric"] == metric.name)]
        by_key = {
            tuple(row[name] for name in VARIANT): cell(row, self.detection_rates, self.metrics) for row in records(mine)
        }
        if wanted.counted:
            by_key = {key: one.summed for key, one in by_key.items()}
        if metric.convention.get("against") == REFERENCE:  # a distance to its pictures
            by_key |= {key: Cell(note="the reference") for key in self.labels if key[0] == REFERENCE}
        cells = tuple(by_key.get(key, Cell()) for key in self.labels)
        way = higher(metric.way(wanted.role, self.erases))
        digits = metric.digits if wanted.digits is None else wanted.digits
        about = (wanted.header or metric.header, metric.name, wanted.role, way, digits)
        return Shown(*about, *commonest(cells), cells, wanted.counted, known)
