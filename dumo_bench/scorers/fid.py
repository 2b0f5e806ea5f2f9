"""FID: Frechet distance of picture features. Heusel et al., NeurIPS 2017, https://arxiv.org/abs/1706.08500"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dumo_bench.metrics.frechet import frechet_distance
from dumo_bench.scorers.features import Extractor, Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import distances
from dumo_bench.types import Sample, SetScore


@dataclass(frozen=True)
class Fid:
    """Of a set against the original model's pictures and against real ones.

    The features are emoji-clip's, not Inception's: the metric's name says so, and its numbers compare with no other
    extractor's. FID is biased upwards for small sets: compare only at equal n, which the note states.
    """

    name: ClassVar[str] = "fid"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/1706.08500"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "fid.emojiclip.original": False,
        "fid.emojiclip.real": False,
    }
    needs: ClassVar[frozenset[str]] = frozenset({"picture", "original", "real"})
    extractor: Extracts = field(default_factory=Extractor)

    def __post_init__(self) -> None:
        names = [f"fid.{self.extractor.name}.{against}" for against in ("original", "real")]
        object.__setattr__(self, "higher_is_better", dict.fromkeys(names, False))

    @property
    def units(self) -> Mapping[str, str]:
        """Metric -> its unit."""
        return dict.fromkeys(self.higher_is_better, "squared distance of features")

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return self.extractor.label

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return self.extractor.missing_weights()

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        return distances("fid", self.extractor, samples, reference, _distance)


def _distance(x: Features, y: Features) -> tuple[float, str]:
    return frechet_distance(x, y), "; FID falls as n grows: compare it at equal n only"
