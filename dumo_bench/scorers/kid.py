"""KID: kernel distance of picture features. Binkowski et al., ICLR 2018, https://arxiv.org/abs/1801.01401"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from dumo_bench.metrics.kernel import kernel_distance, subset_spread
from dumo_bench.scorers.features import Extractor, Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.sets import distances
from dumo_bench.types import Sample, SetScore


@dataclass(frozen=True)
class Kid:
    """Of a set against the original model's pictures and against real ones; unbiased, so sets of other sizes compare.

    The value is of whole sets. The note adds mean and standard deviation over subsets of half the smaller set.
    """

    name: ClassVar[str] = "kid"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/1801.01401"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "kid.emojiclip.original": False,
        "kid.emojiclip.real": False,
    }
    needs: ClassVar[frozenset[str]] = frozenset({"picture", "original", "real"})
    extractor: Extracts = field(default_factory=Extractor)
    subsets: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        names = [f"kid.{self.extractor.name}.{against}" for against in ("original", "real")]
        object.__setattr__(self, "higher_is_better", dict.fromkeys(names, False))

    @property
    def units(self) -> Mapping[str, str]:
        """Metric -> its unit."""
        return dict.fromkeys(self.higher_is_better, "squared MMD, unbiased")

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return self.extractor.label

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return self.extractor.missing_weights()

    def score_set(self, samples: Iterable[Sample], reference: Iterable[Path]) -> Sequence[SetScore]:
        return distances("kid", self.extractor, samples, reference, self._distance)

    def _distance(self, x: Features, y: Features) -> tuple[float, str]:
        size = min(len(x), len(y)) // 2
        if size < 2:
            return kernel_distance(x, y), ""
        mean, sd = subset_spread(x, y, size, subsets=self.subsets, seed=self.seed)
        return kernel_distance(x, y), f"; {self.subsets} subsets of {size}: {mean:.4g} +- {sd:.4g}"
