"""The published numbers as they lie in results/published: one row a number, with its source and convention."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.storage import files

STATUS = ("read in the paper", "read in the abstract", "read in the code", "secondary", "unverified")
#: what the status of a number of this project's own begins with; its version is behind it
OWN = "this project"
COLUMNS = ("suite", "case", "method", "name", "metric", "value", "unit", "n", "source", "status", "convention", "note")


@dataclass(frozen=True, slots=True)
class Published:
    """One published number. `method` as the source writes it, `name` ours for it, if there is one.

    `case`: which erasure it is of, "average" for the mean over all of the suite, "" where the source does not say.
    `metric` as the source defines it, `n` the pictures it is of where that is known, `status` how far it was checked.
    """

    suite: str
    case: str
    method: str
    name: str
    metric: str
    value: float
    unit: str
    n: int | None
    source: str
    status: str
    convention: str
    note: str

    @property
    def is_average(self) -> bool:
        """Whether the source gives a mean over several erasures; only then are ours averaged too."""
        return self.case == "average" or self.metric.endswith(", mean")

    @property
    def of_sets(self) -> bool:
        """Whether it is a number of a whole set, which depends on how many pictures that has."""
        return self.fits("FID*")

    def fits(self, *metrics: str) -> bool:
        """Whether its metric is one of these patterns."""
        return any(fnmatchcase(self.metric, metric) for metric in metrics)


def folder() -> Path:
    """Where the published numbers lie: inside the installed package, beside it in a checkout."""
    return files.shipped("published_numbers", "results/published")


def load(place: Path | None = None) -> list[Published]:
    """Every published number, file by file."""
    return [row for path in sorted((place or folder()).glob("*.csv")) for row in _read(path)]


def _read(path: Path) -> Iterator[Published]:
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.DictReader(stream)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise UserError(f"{path}: wanted the columns {', '.join(COLUMNS)}, got {', '.join(lines.fieldnames or ())}")
        for number, row in enumerate(lines, 2):
            if row["status"] not in STATUS and not row["status"].startswith(f"{OWN}, "):
                raise UserError(f"{path}:{number}: status {row['status']!r}, wanted one of {', '.join(STATUS)}")
            try:
                numbers: dict[str, Any] = {"value": float(row["value"]), "n": int(row["n"]) if row["n"] else None}
            except ValueError as error:
                raise UserError(f"{path}:{number}: {error}") from error
            yield Published(**{**row, **numbers})
