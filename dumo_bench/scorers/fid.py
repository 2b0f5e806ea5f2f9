"""FID: Frechet distance of picture features. Heusel et al., NeurIPS 2017, https://arxiv.org/abs/1706.08500"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dumo_bench.citation import Paper
from dumo_bench.metrics.frechet import frechet_distance
from dumo_bench.scorers.bases import ByFeatures
from dumo_bench.scorers.features import Extractor, Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import distances, pair
from dumo_bench.types import Metric, Sample, SetScore


@dataclass(frozen=True)
class Fid(ByFeatures):
    """Of a set against the original model's pictures and against real ones.

    The features are emoji-clip's, not Inception's: the metric's name says so, and its numbers compare with no other
    extractor's. FID is biased upwards for small sets: compare only at equal n, which the note states.
    """

    name: ClassVar[str] = "fid"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/1706.08500"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "heusel2017fid",
            "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
            ("Martin Heusel", "Hubert Ramsauer", "Thomas Unterthiner", "Bernhard Nessler", "Sepp Hochreiter"),
            2017,
            venue="Advances in Neural Information Processing Systems",
            arxiv="1706.08500",
        ),
    )
    extractor: Extracts = field(default_factory=Extractor)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """To the original's pictures and to real ones, called after the features."""
        return pair("fid", self.extractor, "squared distance of features", 3)

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        return distances("fid", self.extractor, (samples, reference), _distance)


def _distance(x: Features, y: Features) -> tuple[float, str]:
    return frechet_distance(x, y), "; FID falls as n grows: compare it at equal n only"
