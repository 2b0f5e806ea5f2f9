"""Blank pictures: nothing is drawn in them, whatever was asked for. No weights, any model, any suite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from dumo_bench.interfaces import Scorer
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.types import Metric, Sample, Score

SIDE = 64  # pictures are averaged to about so many cells a side: what is left is seen from afar, fine noise is not
BOUND = 0.01  # of all places: fewer edges than this are no drawing


def edges(picture: Picture) -> float:
    """The share of places (0 to 1) where brightness bends: by 8 of 255 levels from one cell to the next and back.

    Flat colours and smooth gradients have none, however bright; a line, an outline or a texture has.
    """
    grey = _averaged(picture.mean(axis=2))
    across = np.abs(np.diff(grey, n=2, axis=1))[1:-1]
    down = np.abs(np.diff(grey, n=2, axis=0))[:, 1:-1]
    return float((np.maximum(across, down) > 8).mean()) if across.size else 0.0


def _averaged(grey: NDArray[np.floating]) -> NDArray[np.floating]:
    """Means of square cells, about SIDE of them along the shorter side; what is over at the ends is cut."""
    cell = max(1, min(grey.shape) // SIDE)
    high, wide = (n // cell for n in grey.shape)
    cut = grey[: high * cell, : wide * cell]
    found: NDArray[np.floating] = cut.reshape(high, cell, wide, cell).mean(axis=(1, 3))
    return found


def blank(picture: Picture) -> bool:
    """Whether nothing is drawn in it."""
    return edges(picture) < BOUND


@dataclass(frozen=True)
class Blank(Scorer):
    name: ClassVar[str] = "blank"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "ours: dumo_bench/scorers/blank.py"
    metrics = (Metric("blank", unit="0 or 1", better="lower", kind="rate", title="blank pictures"),)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.metrics, lambda _, some: [[Score("blank", float(blank(one)))] for one in some])
