"""The metrics that some rows are of: as their scorers declared them, and the numbers that are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dumo_bench.analysis import derived
from dumo_bench.analysis.derived import Number, Part
from dumo_bench.storage import metrics, scan
from dumo_bench.storage.metrics import Declared, Key
from dumo_bench.types import Better, Kind, Made, Measures, Metric

if TYPE_CHECKING:
    import pandas as pd

WHAT = ["scorer", "scorer_version", "metric"]
CHANGE = ".change"  # behind the metric's name in rows whose column `change` says so


@dataclass(frozen=True, slots=True)
class Known:
    """A metric, whose it is, and how it is made, if it is made of others."""

    scorer: str
    version: str
    metric: Metric
    number: Number | None = None

    @property
    def made_of(self) -> tuple[Part, ...]:
        return self.number.parts if self.number else ()

    @property
    def formula(self) -> str:
        return self.number.formula if self.number else ""


@dataclass(frozen=True, slots=True)
class Pick:
    """Some metrics, by what they declare; None: whatever it is. Of a number that is made, of what it is made.

    `what`: which number is made of them; "": the metric itself. `copies`: in another unit. `parts`: of a total.
    """

    scorers: tuple[str, ...] = ()
    measures: Measures | None = None
    kind: Kind | None = None
    what: Made | Literal[""] = ""
    sees: str | None = None
    better: Better | None = None
    copies: bool | None = False
    parts: bool = False
    convention: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, known: Known) -> bool:
        of, what = (known.number.of, known.number.what) if known.number else (known.metric, "")
        wanted = {"measures": self.measures, "kind": self.kind, "sees": self.sees, "better": self.better}
        return (
            what == self.what
            and (not self.scorers or known.scorer in self.scorers)
            and all(value is None or getattr(of, name) == value for name, value in wanted.items())
            and self.copies in (None, bool(of.copy_of))
            and self.parts == bool(of.part_of)
            and self.convention.items() <= of.convention.items()
        )


@dataclass(frozen=True)
class Catalogue:
    """Known metrics by scorer, its version and the metric's name."""

    by_key: Mapping[Key, Known]

    @cached_property
    def by_name(self) -> Mapping[str, Known]:
        """Of several versions of a scorer the last one's."""
        return {known.metric.name: known for _, known in sorted(self.by_key.items(), key=lambda one: one[0])}

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        """What is made of others, each once."""
        return tuple(known.number for known in self.by_name.values() if known.number)

    def of(self, row: Mapping[str, Any]) -> Known:
        """What a row of scores, sets or a summary is a number of."""
        name = row["metric"].removesuffix(CHANGE) if row.get("change") else row["metric"]
        scorer, version = row["scorer"], row["scorer_version"]
        return self.by_key.get((scorer, version, name)) or self.named(name)

    def named(self, name: str) -> Known:
        """The metric of a name; one that nobody declared says no more than that."""
        return self.by_name.get(name) or Known("", "", Metric(name, "", "neither"))

    def made_with(self, rows: pd.DataFrame, name: str, value: str) -> pd.Series:
        """Which rows are of metrics with a value in their convention, a channel order for one."""
        fits = {metric: self.named(metric).metric.convention.get(name) == value for metric in rows["metric"].unique()}
        return rows["metric"].map(fits).astype(bool)

    def with_parts(self, names: Iterable[str]) -> set[str]:
        """Metrics, and in place of those that are made of others their parts."""
        found = [self.named(name) for name in names]
        return {part for known in found for part in [p.metric for p in known.made_of] or [known.metric.name]}


def of_declared(declared: Iterable[Declared]) -> Catalogue:
    """The catalogue of what was declared."""
    scorers: dict[tuple[str, str], list[Metric]] = {}
    for one in declared:
        scorers.setdefault((one.scorer, one.version), []).append(one.metric)
    every = [known for of, members in scorers.items() for known in _known(*of, members)]
    return Catalogue({(known.scorer, known.version, known.metric.name): known for known in every})


def of_frames(tables: Path, *frames: pd.DataFrame) -> Catalogue:
    """The catalogue of rows of scores and sets of a results folder."""
    known = metrics.read(tables)
    return of_declared({one.key: one for frame in frames for one in metrics.of_rows(frame, known)}.values())


def of_folder(out: Path) -> Catalogue:
    """The catalogue of a results folder."""
    return of_frames(out / "tables", *(scan.distinct(out / "tables", name, WHAT) for name in ("scores", "sets")))


def _known(scorer: str, version: str, members: list[Metric]) -> Iterator[Known]:
    yield from (Known(scorer, version, metric) for metric in members)
    yield from (Known(scorer, version, number.metric, number) for number in derived.numbers(members))
