"""Erased pictures must stay pictures: are they still different from one another, and still like real ones?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from dumo_bench.metrics.spread import mean_pairwise_distance, nearest_distances
from dumo_bench.scorers.bases import ByFeatures
from dumo_bench.scorers.features import Extractor
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import noted
from dumo_bench.types import Metric, Sample, SetScore


@dataclass(frozen=True)
class Likeness(ByFeatures):
    """Cosine distances of features, 0 to 2.

    diversity: the mean over all pairs of the set; near 0 when an eraser draws one and the same tile. real_distance:
    the mean over the set of the distance to the nearest real picture; large when what is drawn looks like none. A blank
    tile can lie near one all the same: diversity and judge.nothing tell it, this does not.
    """

    name: ClassVar[str] = "likeness"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this project"
    extractor: Extractor = field(default_factory=Extractor)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Called after the features."""
        name, unit, title = self.extractor.name, "cosine distance, 0 to 2", "distance to real pictures"
        return (
            Metric(f"diversity.{name}", unit, "higher", kind="set", title="variety", digits=3),
            Metric(f"real_distance.{name}", unit, "lower", kind="set", title=title, digits=3),
        )

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        del reference  # a set's likeness is its own
        x, lost = self.extractor.of(sample.image for sample in samples)
        return [self._diversity(x, lost), self._real_distance(x, lost)]

    def _diversity(self, x: Features, lost: int) -> SetScore:
        counted = partial(SetScore, f"diversity.{self.extractor.name}", n=len(x), n_missing=lost)
        note = noted(f"n={len(x)}, {self.extractor.label}", lost)
        if len(x) < 2:
            return counted(None, f"a set of fewer than 2 pictures: {note}", "too few pictures")
        return counted(mean_pairwise_distance(x), note, how="mean over all pairs")

    def _real_distance(self, x: Features, lost: int) -> SetScore:
        counted = partial(SetScore, f"real_distance.{self.extractor.name}", n=len(x), n_missing=lost)
        note = noted(f"n={len(x)}, {self.extractor.label}", lost)
        if len(x) < 2:
            return counted(None, f"a set of fewer than 2 pictures: {note}", "too few pictures")
        known = self.extractor.real_features()
        if isinstance(known, str):
            return counted(None, known, "no reference")
        real, unread = known
        if real.shape[1] != x.shape[1]:
            why = f"features of width {x.shape[1]} and {real.shape[1]}: {note}"
            return counted(None, why, "failed", lost=unread)
        value = float(nearest_distances(x, real).mean())
        return counted(value, f"{note}, real={len(real)}", how="mean over pictures", lost=unread)
