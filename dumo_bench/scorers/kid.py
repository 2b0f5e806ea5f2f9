"""KID: kernel distance of picture features. Binkowski et al., ICLR 2018, https://arxiv.org/abs/1801.01401"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

from dumo_bench.citation import Paper
from dumo_bench.metrics.kernel import kernel_distance, paired_kernel_distance, subset_spread
from dumo_bench.scorers.bases import ByFeatures
from dumo_bench.scorers.features import Extractor, Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import distances, pair
from dumo_bench.types import Metric, Sample, SetScore


@dataclass(frozen=True)
class Kid(ByFeatures):
    """Of a set against the original model's pictures and against real ones; unbiased, so sets of other sizes compare.

    The original's pictures are of the same prompts and noise: that number is of pairs, without k(x_i, y_i), and 0 for
    equal sets. Real pictures are strangers, and theirs is the usual estimate. Both values are of whole sets. The note
    adds mean and standard deviation over subsets of half the smaller set.
    """

    name: ClassVar[str] = "kid"
    version: ClassVar[str] = "2"  # 1 took the original's pictures for strangers: off by about -11/n for equal sets
    cite: ClassVar[str] = "https://arxiv.org/abs/1801.01401"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "binkowski2018kid",
            "Demystifying MMD GANs",
            ("Mikołaj Bińkowski", "Danica J. Sutherland", "Michael Arbel", "Arthur Gretton"),
            2018,
            venue="International Conference on Learning Representations",
            arxiv="1801.01401",
        ),
    )
    extractor: Extracts = field(default_factory=Extractor)
    subsets: int = 20
    seed: int = 0

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """To the original's pictures and to real ones, called after the features."""
        return pair("kid", self.extractor, "squared MMD, unbiased", 4, {"estimate": "of pairs"})

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        of_pairs = partial(self._distance, paired=True)
        return distances("kid", self.extractor, (samples, reference), self._distance, of_pairs)

    def _distance(self, x: Features, y: Features, *, paired: bool = False) -> tuple[float, str]:
        value = (paired_kernel_distance if paired else kernel_distance)(x, y)
        said, size = ("; of pairs" if paired else ""), min(len(x), len(y)) // 2
        if size < 2:
            return value, said
        mean, sd = subset_spread(x, y, size, subsets=self.subsets, seed=self.seed, paired=paired)
        return value, f"{said}; {self.subsets} subsets of {size}: {mean:.4g} +- {sd:.4g}"
