"""What the report shows, as values: which columns, which rows. Renderers only print it; paired.py marks its cells."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeAlias

from dumo_bench.analysis import recognition
from dumo_bench.analysis.recognition import REFERENCE, Card, Place
from dumo_bench.report import contract, coverage, seeds
from dumo_bench.report.contract import Contracts
from dumo_bench.report.coverage import Coverage
from dumo_bench.report.panels import PANELS, Wanted
from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd

Kinds: TypeAlias = Mapping[tuple[str, str], str]  # (suite, case) -> "object" or "style": what is erased
Sizes: TypeAlias = Mapping[tuple[str, int], int]  # (suite, version) -> its pictures a method
MOST = 6  # columns that fit a page
VARIANT = ("method", "method_version", "params", "fit_seed", "model", "sampling")
KIN = tuple(name for name in VARIANT if name != "fit_seed")  # what the fits of one method have in common


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of the report; `measured` is False where nothing was to be measured, and `note` may say why.

    `valid`: whether the scorer recognises the thing in the unedited model's pictures; None: its card is missing.
    `q`: of a difference, p after correction.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    n_missing: int = 0
    measured: bool = False
    bold: bool = False
    note: str = ""
    valid: bool | None = True
    q: float | None = None

    @property
    def grey(self) -> bool:
        """Whether the number says nothing, since the scorer hardly recognises the thing before any edit."""
        return self.valid is False and self.value is not None

    @property
    def summed(self) -> Cell:
        """The sum over the n pictures in place of their mean; none where some are missing, which would lower it."""
        if self.n_missing and self.value is not None:
            return replace(self, value=None, low=None, high=None, note=f"no sum: {self.n_missing} pictures are missing")
        value, low, high = (None if x is None else x * self.n for x in (self.value, self.low, self.high))
        return replace(self, value=value, low=low, high=high)


@dataclass(frozen=True, slots=True)
class Shown:
    """A column with its cells, one a row of the panel. n and n_missing are the commonest of its cells."""

    header: str
    metric: str
    role: str
    higher: bool | None
    digits: int
    n: int
    n_missing: int
    cells: tuple[Cell, ...]
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    labels: tuple[str, ...]
    columns: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class CaseTables:
    """One case of a suite: its panels, why its methods are not ranked, if they are not, and what was measured of it.

    `doubtful`: the concepts that a scorer hardly recognises in the unedited model's pictures. `kin`: of each row of a
    panel what the fits of its method have in common. `paired`: differences to the unedited model, which are corrected
    over a `family` of tests.
    """

    suite: str
    version: int
    case: str
    panels: tuple[Panel, ...]
    warning: str
    coverage: Coverage
    doubtful: tuple[tuple[Place, Card], ...] = ()
    kin: tuple[tuple[Any, ...], ...] = ()
    paired: tuple[Panel, ...] = ()
    family: int = 0
    contract: str = ""

    @property
    def title(self) -> str:
        return f"{self.suite} (version {self.version}), erasing {self.case}"


def build(
    summary: pd.DataFrame, kinds: Kinds | None = None, sizes: Sizes | None = None, contracts: Contracts | None = None
) -> list[CaseTables]:
    """The tables of every suite and case, in order.

    `kinds` tells which columns a case has, `sizes` what is whole, `contracts` how pictures were sampled.
    """
    whole = summary[summary["concept"] == "*"]
    keys = _distinct(whole, "suite", "suite_version", "case")
    return [_case(summary, key, kinds or {}, (sizes or {}).get(key[:2]), contracts or {}) for key in keys]


def _case(
    summary: pd.DataFrame, key: tuple[Any, ...], kinds: Kinds, size: int | None, contracts: Contracts
) -> CaseTables:
    suite, version, case = key
    of_suite = summary[(summary["suite"] == suite) & (summary["suite_version"] == version)]
    every, warning = of_suite[of_suite["case"] == case], mixture(of_suite, contracts)
    rows, known = every[every["concept"] == "*"], recognition.of_summary(every)
    labels = variants(rows)
    kin = tuple(tuple(value for name, value in zip(VARIANT, of, strict=True) if name in KIN) for of in labels)
    panels = [_panel(title, wanted, rows, kinds.get((suite, case), ""), known) for title, wanted in PANELS.items()]
    shown = tuple(
        part for panel in panels for whole in (panel, seeds.over(panel, kin)) if whole for part in parts(whole)
    )
    covered = coverage.of(rows, labels, VARIANT, size)
    said = contract.line(sorted(set(every["sampling"])), contracts)
    doubtful = tuple(recognition.doubtful(known))
    return CaseTables(suite, version, case, shown, warning, covered, doubtful, kin, contract=said)


def mixture(suite: pd.DataFrame, known: Contracts) -> str:
    """Why the methods of one suite cannot be compared, or nothing."""
    contracts = _distinct(suite, "model", "sampling")
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


def _distinct(rows: pd.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    """The combinations of values that occur in these columns, sorted."""
    return sorted(set(rows[list(names)].itertuples(index=False, name=None)))


def variants(rows: pd.DataFrame) -> dict[tuple[Any, ...], str]:
    """A label for every (method, version, params, fit seed, model, contract): the original first, then by name."""
    keys = sorted(_distinct(rows, *VARIANT), key=lambda key: (key[0] != REFERENCE, *map(_natural, key)))
    return {key: _label(key, [other for other in keys if other[0] == key[0]]) for key in keys}


def _natural(value: Any) -> tuple[tuple[str, float], ...]:
    """What a part of a variant is sorted by: 30 before 240, a setting's own value (null) after what was set."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(value).replace("null", "~"))
    return tuple((word, float(number or 0)) for word, number in zip_longest(parts[::2], parts[1::2], fillvalue=""))


def _label(key: tuple[Any, ...], alike: Sequence[tuple[Any, ...]]) -> str:
    """The method's name, with what tells it from the other variants; a setting left to the method is not said."""
    method, version, params, seed, model, sampling = key
    mine, others = json.loads(params), [json.loads(other[2]) for other in alike]
    told = {k: v for k, v in sorted(mine.items()) if any(other.get(k) != v for other in others)}
    parts = [f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in told.items() if v is not None]
    tells = ((1, f"version {version}"), (3, f"seed {seed}"), (4, f"model {model[:8]}"), (5, f"contract {sampling}"))
    parts += [text for index, text in tells if len({other[index] for other in alike}) > 1]
    return f"{method} ({', '.join(parts)})" if parts else str(method)


def _panel(title: str, wanted: Iterable[Wanted], rows: pd.DataFrame, kind: str, known: Mapping[Place, Card]) -> Panel:
    labels = variants(rows)
    columns = [
        _column(column, metric, rows, list(labels), known)
        for column in wanted
        if kind in column.kinds
        for metric in _matching(column, rows)
    ]
    shown = [_told_apart(c, columns) for c in columns if any(one.measured for one in c.cells)]
    return Panel(title, tuple(labels.values()), tuple(shown))


def parts(panel: Panel) -> list[Panel]:
    """A panel with more columns than fit a page as several; one without columns as none."""
    n = len(panel.columns)
    if not n:
        return []
    size = math.ceil(n / math.ceil(n / MOST))  # of about equal width: no number stands alone
    starts = range(0, n, size)
    titles = (panel.title if start == 0 else f"{panel.title} (continued)" for start in starts)
    return [Panel(title, panel.labels, panel.columns[at : at + size]) for title, at in zip(titles, starts, strict=True)]


def _told_apart(column: Shown, among: Iterable[Shown]) -> Shown:
    """Two metrics that fit one header carry their names."""
    alike = [other for other in among if (other.header, other.role) == (column.header, column.role)]
    return replace(column, header=f"{column.header} {column.metric}") if len(alike) > 1 else column


def _matching(column: Wanted, rows: pd.DataFrame) -> list[str]:
    of_role = rows.loc[rows["role"] == column.role, "metric"].unique()
    return sorted(metric for metric in of_role if fnmatchcase(metric, column.metric) and not metric.endswith(".change"))


def _column(
    column: Wanted, metric: str, rows: pd.DataFrame, keys: Sequence[tuple[Any, ...]], known: Mapping[Place, Card]
) -> Shown:
    mine = rows[(rows["role"] == column.role) & (rows["metric"] == metric)]
    by_key = {tuple(row[name] for name in VARIANT): cell(row, known) for row in table.records(mine)}
    if column.counted:
        by_key = {key: one.summed for key, one in by_key.items()}
    if metric.endswith(f".{REFERENCE}"):  # a distance to its pictures
        by_key |= {key: Cell(note="the reference") for key in keys if key[0] == REFERENCE}
    cells = tuple(by_key.get(key, Cell()) for key in keys)
    n, n_missing = commonest(cells)
    header = column.header or metric.rpartition(".")[2].replace("_", " ").lower()
    return Shown(header, metric, column.role, column.higher, column.digits, n, n_missing, cells, column.counted)


def commonest(cells: Sequence[Cell]) -> tuple[int, int]:
    """n and n_missing of most cells."""
    counts = Counter((one.n, one.n_missing) for one in cells if one.measured)
    return max(counts, key=lambda pair: counts[pair], default=(0, 0))


def cell(row: Mapping[str, Any], known: Mapping[Place, Card]) -> Cell:
    """The cell of a row of a summary."""
    numbers = (row["value"], row["low"], row["high"], row["n"], row["n_missing"])
    return Cell(*numbers, measured=True, note=row["note"], valid=recognition.valid(row, known))
