"""Erased pictures must stay pictures: are they still different from one another, and still like real ones?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dumo_bench.metrics.spread import mean_pairwise_distance, nearest_distances
from dumo_bench.scorers.features import Extractor
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import noted
from dumo_bench.types import Sample, SetScore


@dataclass(frozen=True)
class Likeness:
    """Cosine distances of features, 0 to 2.

    diversity: the mean over all pairs of the set; near 0 when an eraser draws one and the same tile. real_distance:
    the mean over the set of the distance to the nearest real picture; large when what is drawn looks like none. A blank
    tile can lie near one all the same: diversity and judge.nothing tell it, this does not.
    """

    name: ClassVar[str] = "likeness"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this project"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "diversity.emojiclip": True,
        "real_distance.emojiclip": False,
    }
    needs: ClassVar[frozenset[str]] = frozenset({"picture", "real"})
    extractor: Extractor = field(default_factory=Extractor)

    def __post_init__(self) -> None:
        name = self.extractor.name
        object.__setattr__(self, "higher_is_better", {f"diversity.{name}": True, f"real_distance.{name}": False})

    @property
    def units(self) -> Mapping[str, str]:
        """Metric -> its unit."""
        return dict.fromkeys(self.higher_is_better, "cosine distance, 0 to 2")

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return self.extractor.label

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return self.extractor.missing_weights()

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        del reference  # a set's likeness is its own
        x, lost = self.extractor.of(sample.image for sample in samples)
        return [self._diversity(x, lost), self._real_distance(x, lost)]

    def _diversity(self, x: Features, lost: int) -> SetScore:
        metric, note = f"diversity.{self.extractor.name}", noted(f"n={len(x)}, {self.extractor.label}", lost)
        if len(x) < 2:
            return SetScore(metric, None, f"a set of fewer than 2 pictures: {note}", len(x), lost)
        return SetScore(metric, mean_pairwise_distance(x), note, len(x), lost, how="mean over all pairs")

    def _real_distance(self, x: Features, lost: int) -> SetScore:
        metric, note = f"real_distance.{self.extractor.name}", noted(f"n={len(x)}, {self.extractor.label}", lost)
        if len(x) < 2:
            return SetScore(metric, None, f"a set of fewer than 2 pictures: {note}", len(x), lost)
        known = self.extractor.real_features()
        if isinstance(known, str):
            return SetScore(metric, None, known, len(x), lost)
        real, _ = known
        if real.shape[1] != x.shape[1]:
            return SetScore(metric, None, f"features of width {x.shape[1]} and {real.shape[1]}: {note}", len(x), lost)
        value = float(nearest_distances(x, real).mean())
        return SetScore(metric, value, f"{note}, real={len(real)}", len(x), lost, how="mean over pictures")
