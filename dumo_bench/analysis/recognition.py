"""Detection rate on unedited pictures: may a scorer judge a concept at all?

A classifier that recognises a tenth of the unedited model's pictures of a concept calls nine of ten erased before
anything was. So the rate on unedited pictures is printed beside the rates on edited ones, and where it is under 50 %
the numbers of that concept are marked as unreliable. Which metrics are such rates is theirs to say (`Metric.measures`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.analysis.catalogue import Catalogue, Known
from dumo_bench.analysis.derived import Part
from dumo_bench.storage import table
from dumo_bench.types import Metric

if TYPE_CHECKING:
    import pandas as pd

REFERENCE = "original"
LEAST = 0.5
MARK = "\N{DAGGER}"  # beside a number that says nothing


@dataclass(frozen=True, slots=True)
class DetectionRate:
    """How often a metric recognises a concept in the unedited model's pictures; None: not measured."""

    rate: float | None
    n: int
    low: float | None = None
    high: float | None = None

    @property
    def valid(self) -> bool | None:
        """Whether it recognises at least half of them; None: not known."""
        return None if self.rate is None else self.rate >= LEAST


class Place(NamedTuple):
    """What a detection rate is about; rows of the unedited and of an edited model share it."""

    suite: str
    suite_version: int
    case: str
    model: str
    sampling: str
    metric: str
    role: str
    concept: str


def needs_detection_rate(metric: Metric, role: str) -> bool:
    """Whether a metric on a role is a rate of what its prompts ask for.

    One that measures "erased" recognises the erased concept, which is asked for on targets and attacks alone.
    """
    asked = metric.measures == "asked" or (metric.measures == "erased" and role in ("target", "attack"))
    return metric.kind == "rate" and asked


def place(row: Mapping[str, Any]) -> Place:
    """The place of a row of a summary."""
    return Place(*(row[name] for name in Place._fields))


def detection_rates(summary: Iterable[Mapping[str, Any]], metrics: Catalogue) -> dict[Place, DetectionRate]:
    """One detection rate for each rate of recognition in the rows of a summary, from those of the unedited model."""
    return {
        place(row): _detection_rate(row)
        for row in summary
        if row["method"] == REFERENCE
        and not row["change"]
        and needs_detection_rate(metrics.of(row).metric, row["role"])
    }


def _detection_rate(row: Mapping[str, Any]) -> DetectionRate:
    return DetectionRate(row["value"], row["n"], row["low"], row["high"])


def of_summary(summary: pd.DataFrame, metrics: Catalogue) -> dict[Place, DetectionRate]:
    """The detection rates of a summary."""
    return detection_rates(table.records(summary[summary["method"] == REFERENCE]), metrics)


def unasked(summary: pd.DataFrame, metrics: Catalogue) -> dict[Place, DetectionRate]:
    """The unedited model's rates of what its prompts need not ask for: they are printed and make nothing unreliable."""
    mine = table.records(summary[(summary["method"] == REFERENCE) & ~summary["change"]])
    found = ((row, metrics.of(row).metric) for row in mine)
    return {place(row): _detection_rate(row) for row, one in found if one.kind == "rate" and one.measures == "present"}


def sources(known: Known, role: str, metrics: Catalogue) -> list[tuple[str, str]]:
    """The rates of recognition, each with its role, that a metric, its change or a derived number is made of."""
    made = known.made_of or (Part(known.metric.name, role),)
    return [
        (part.metric, part.role) for part in made if needs_detection_rate(metrics.named(part.metric).metric, part.role)
    ]


def detection_rate(
    row: Mapping[str, Any], known: Mapping[Place, DetectionRate], metrics: Catalogue
) -> DetectionRate | None:
    """The detection rate that a row of a summary stands on: of several the weakest; None: it needs none."""
    wanted = sources(metrics.of(row), row["role"], metrics)
    places = [place({**row, "metric": metric, "role": role}) for metric, role in wanted]
    return weakest(known.get(one, DetectionRate(None, 0)) for one in places)


def weakest(detection_rates: Iterable[DetectionRate | None]) -> DetectionRate | None:
    """The weakest of several detection rates: the lowest under a half, else a missing one, else the lowest."""
    found = [one for one in detection_rates if one is not None]
    return min(found, key=lambda one: (LEAST, 0) if one.rate is None else (one.rate, 1), default=None)


def valid(row: Mapping[str, Any], known: Mapping[Place, DetectionRate], metrics: Catalogue) -> bool | None:
    """Whether the scorer detects what a row is about; None: not known. True for rows that need no detection rate."""
    found = detection_rate(row, known, metrics)
    return True if found is None else found.valid


def lacking(names: Iterable[str]) -> list[str]:
    """A sentence that names what has no detection rate, if anything has none."""
    found = ", ".join(dict.fromkeys(names))
    said = f"No detection rate on unedited pictures for {found}: no unedited picture was measured of it."
    return [said] * bool(found)


def unreliable(row: Mapping[str, Any], known: Mapping[Place, DetectionRate], metrics: Catalogue) -> bool:
    """Whether a row of a summary says nothing, since its concept is hardly recognised in unedited pictures either."""
    return valid(row, known, metrics) is False


def rarely_detected(known: Mapping[Place, DetectionRate]) -> list[tuple[Place, DetectionRate]]:
    """The concepts that are recognised in under half of the unedited model's pictures, the least recognised first."""
    found = [
        (at, detection_rate)
        for at, detection_rate in known.items()
        if at.concept != "*" and detection_rate.valid is False
    ]
    return sorted(found, key=lambda one: (one[1].rate, one[0]))
