"""KID: kernel distance of picture features. Binkowski et al., ICLR 2018, https://arxiv.org/abs/1801.01401"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dumo_bench.metrics.kernel import kernel_distance, subset_spread
from dumo_bench.scorers.bases import ByFeatures
from dumo_bench.scorers.features import Extractor, Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import distances, pair
from dumo_bench.types import Metric, Sample, SetScore


@dataclass(frozen=True)
class Kid(ByFeatures):
    """Of a set against the original model's pictures and against real ones; unbiased, so sets of other sizes compare.

    The value is of whole sets. The note adds mean and standard deviation over subsets of half the smaller set.
    """

    name: ClassVar[str] = "kid"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/1801.01401"
    extractor: Extracts = field(default_factory=Extractor)
    subsets: int = 20
    seed: int = 0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """To the original's pictures and to real ones, called after the features."""
        return pair("kid", self.extractor, "squared MMD, unbiased", 4)

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        return distances("kid", self.extractor, samples, reference, self._distance)

    def _distance(self, x: Features, y: Features) -> tuple[float, str]:
        size = min(len(x), len(y)) // 2
        if size < 2:
            return kernel_distance(x, y), ""
        mean, sd = subset_spread(x, y, size, subsets=self.subsets, seed=self.seed)
        return kernel_distance(x, y), f"; {self.subsets} subsets of {size}: {mean:.4g} +- {sd:.4g}"
