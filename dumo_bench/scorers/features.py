"""Features of pictures by a CLIP in a local folder: fid, kid and likeness share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dumo_bench.scorers import clip, memory, weights
from dumo_bench.scorers.memory import Features
from dumo_bench.scorers.pictures import Picture


class Extracts(Protocol):
    """What the scorers of sets ask of features."""

    @property
    def name(self) -> str:
        """What metrics are called after."""

    @property
    def label(self) -> str:
        """Name and hash of the weights."""

    def missing_weights(self) -> str | None: ...

    def of(self, paths: Iterable[Path]) -> tuple[Features, int]:
        """Features (n, d) of the readable pictures, in order, and the number of the others."""

    def real_features(self) -> tuple[Features, int] | str:
        """The same of real pictures; or why there are none."""


@dataclass(frozen=True)
class Extractor:
    """A CLIP's projected picture features, each scaled to length sqrt(d).

    So scaled, x.y/d is the cosine, which is what KID's kernel expects: coordinates of size about 1. `folder` is
    written by save_pretrained; `real` holds the features of real pictures, tensor "clip" (n, d).
    """

    folder: Path = weights.CLIP
    real: Path = weights.REAL
    device: str = "auto"

    @property
    def name(self) -> str:
        """What metrics are called after."""
        return "emojiclip" if self.folder == weights.CLIP else self.folder.name

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return f"{self.name} {weights.sha12(self.folder)}"

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.missing(self.folder) or weights.missing(self.real)

    def of(self, paths: Iterable[Path]) -> tuple[Features, int]:
        """Features (n, d) of the readable pictures, in order, and the number of the others."""
        device = weights.device(self.device)
        make = partial(picture_vectors, folder=self.folder, device=device)
        x, lost = memory.of_files(f"{weights.label(self.folder)} {device}", list(paths), make)
        return (scaled(x) if len(x) else x), lost

    def real_features(self) -> tuple[Features, int] | str:
        """Features (n, d) of real pictures, scaled alike; or why there are none."""
        return (
            (_real(self.real), 0) if self.real.is_file() else f"no features of real pictures: {self.missing_weights()}"
        )


@cache
def _real(path: Path) -> Features:
    from safetensors.numpy import load_file

    return scaled(load_file(path)["clip"].astype(np.float32))


def scaled(x: NDArray[np.float32]) -> Features:
    """Rows of x (n, d) brought to length sqrt(d)."""
    rows: Features = clip.unit(x) * np.float32(x.shape[1] ** 0.5)
    return rows


def picture_vectors(pictures: Sequence[Picture], folder: Path, device: str) -> NDArray[np.float32]:
    """(n, d): the projected features of pictures, as the model gives them."""
    return clip.load(folder, device).picture(pictures)
