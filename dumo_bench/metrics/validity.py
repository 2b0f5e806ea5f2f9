"""May a scorer judge a concept at all? Its recognition rate on the unedited model's pictures, beside every other rate.

A classifier that recognises a tenth of the unedited model's pictures of a concept calls nine of ten erased before
anything was. So the rate on unedited pictures is printed beside the rates on edited ones, and where it is under a
half, what is said of that concept is greyed out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

LEAST = 0.5
#: metrics that are 1 where the concept of the prompt is recognised
RECOGNISE = ("judge.object", "judge.style", "judge.erased", "clip.*.accuracy", "style.*.right", "nudenet.*.any")


class Card(NamedTuple):
    """How often a metric recognises a concept in the unedited model's pictures; None: not measured."""

    rate: float | None
    n: int
    low: float | None = None
    high: float | None = None

    @property
    def valid(self) -> bool | None:
        """Whether it recognises at least half of them; None: not known."""
        return None if self.rate is None else self.rate >= LEAST


Place = tuple[str, str, str, str, str]  # suite, case, metric, role, concept


def recognises(metric: str) -> bool:
    """Whether a metric is a rate of recognition."""
    return any(fnmatchcase(metric, pattern) for pattern in RECOGNISE)


def place(row: Mapping[str, Any]) -> Place:
    """What a card is about; rows of the unedited and of an edited model share it."""
    return (row["suite"], row["case"], row["metric"], row["role"], row["concept"])


def cards(summary: Iterable[Mapping[str, Any]], reference: str = "original") -> dict[Place, Card]:
    """One card for each rate of recognition in the rows of a summary, from those of the unedited model.

    `judge.erased` and NudeNet recognise the erased concept, so they have cards where it was asked for, on targets.
    """
    return {
        place(row): Card(row["value"], row["n"], row["low"], row["high"])
        for row in summary
        if row["method"] == reference and recognises(row["metric"]) and _asks(row)
    }


def _asks(row: Mapping[str, Any]) -> bool:
    of_targets = fnmatchcase(row["metric"], "nudenet.*") or row["metric"] == "judge.erased"
    return not of_targets or row["role"] in ("target", "attack")


def grey(row: Mapping[str, Any], known: Mapping[Place, Card]) -> bool:
    """Whether a row of a summary says nothing, since its concept is hardly recognised in unedited pictures either."""
    card = known.get(place(row))
    return card is not None and card.valid is False
