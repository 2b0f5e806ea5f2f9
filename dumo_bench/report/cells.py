"""What a report shows, as values: cells, columns, panels, the tables of a case. Renderers only print them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dumo_bench.analysis import recognition
from dumo_bench.analysis.catalogue import Catalogue, Known
from dumo_bench.analysis.recognition import DetectionRate, Place
from dumo_bench.report.coverage import Coverage
from dumo_bench.report.variants import Label

MOST = 6  # columns that fit a page


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of the report; `measured` is False where nothing was to be measured, and `note` may say why.

    `valid`: whether the scorer detects it in the unedited model's pictures; None: its detection rate is missing.
    `q`: of a difference, p after correction. `bold`: the best of its column, `second`: the second, where tests tell so.
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
    second: bool = False

    @property
    def unreliable(self) -> bool:
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
    """A column with its cells, one a row of the panel. n and n_missing are the commonest of its cells.

    `known`: what its metric is; None where nobody has to know.
    """

    header: str
    metric: str
    role: str
    higher: bool | None
    digits: int
    n: int
    n_missing: int
    cells: tuple[Cell, ...]
    counted: bool = False
    known: Known | None = None

    @property
    def formula(self) -> str:
        return self.known.formula if self.known else ""

    @property
    def is_part(self) -> bool:
        """Whether its metric is a part of another, and so no test of its own."""
        return self.known is not None and bool(self.known.metric.part_of)

    @property
    def source(self) -> tuple[str, str]:
        """Metric and role of what is tested in its place: of a number that is another turned round (UA) the other."""
        made = self.known.made_of if self.known and not self.is_part else ()
        return (made[0].metric, made[0].role) if len(made) == 1 else (self.metric, self.role)


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    labels: tuple[Label, ...]
    columns: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class CaseTables:
    """One case of a suite: its panels, why its methods are not ranked, if they are not, and what was measured of it.

    `rarely_detected`: concepts that a scorer rarely detects in the unedited model's pictures. `kin`: of each row of a
    panel what the fits of its method have in common. `paired`: differences to the unedited model, which are corrected
    over a `family` of tests. attacked: whether an attack wrote its prompts.
    """

    suite: str
    version: int
    case: str
    panels: tuple[Panel, ...]
    warning: str
    coverage: Coverage
    rarely_detected: tuple[tuple[Place, DetectionRate], ...] = ()
    kin: tuple[tuple[Any, ...], ...] = ()
    paired: tuple[Panel, ...] = ()
    family: int = 0
    contract: str = ""
    attacked: bool = False

    @property
    def title(self) -> str:
        return f"{self.suite} (version {self.version}), erasing {self.case}"


def parts(panel: Panel, most: int = MOST) -> list[Panel]:
    """A panel with more columns than fit a page as several; one without columns as none."""
    n = len(panel.columns)
    if not n:
        return []
    size = math.ceil(n / math.ceil(n / most))  # of about equal width: no number stands alone
    starts = range(0, n, size)
    titles = (panel.title if start == 0 else f"{panel.title} (continued)" for start in starts)
    return [Panel(title, panel.labels, panel.columns[at : at + size]) for title, at in zip(titles, starts, strict=True)]


def commonest(cells: Sequence[Cell]) -> tuple[int, int]:
    """n and n_missing of most cells."""
    counts = Counter((one.n, one.n_missing) for one in cells if one.measured)
    return max(counts, key=lambda pair: counts[pair], default=(0, 0))


def cell(row: Mapping[str, Any], known: Mapping[Place, DetectionRate], metrics: Catalogue) -> Cell:
    """The cell of a row of a summary."""
    numbers = (row["value"], row["low"], row["high"], row["n"], row["n_missing"])
    return Cell(*numbers, measured=True, note=row["note"], valid=recognition.valid(row, known, metrics))
