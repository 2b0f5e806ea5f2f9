"""CLIP score: does the picture fit its prompt? Hessel et al., EMNLP 2021, https://arxiv.org/abs/2104.08718"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from dumo_bench.scorers import weights
from dumo_bench.scorers.features import load_clip, picture_vectors, text_vectors
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.types import Sample, Score


@dataclass(frozen=True)
class ClipScore:
    """The plain cosine, -1..1: neither times 100 nor 2.5 max(cos, 0).

    `model` is a folder with a transformers CLIPModel, its tokenizer and its CLIPImageProcessor. A text longer than
    the model takes is cut, and the note says so. The metric carries the model: clip.emoji.cosine, or the folder's
    name in place of emoji.
    """

    name: ClassVar[str] = "clip_score"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/2104.08718"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"clip.emoji.cosine": True}
    model: Path = weights.CLIP
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.model != weights.CLIP:  # the metric of another model has another name
            object.__setattr__(self, "higher_is_better", {f"clip.{Path(self.model).name}.cosine": True})

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.missing(self.model)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.higher_is_better, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        (metric,) = self.higher_is_better
        texts, device = [sample.prompt.text for sample in samples], weights.device(self.device)
        _, tokens, _ = load_clip(self.model, device)
        room = tokens.model_max_length
        ids = tokens(texts, truncation=True, max_length=room, padding="max_length", return_tensors="pt")
        x, y = picture_vectors(pictures, self.model, device), text_vectors(ids, self.model, device)
        cosine = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        cut = [len(whole) > room for whole in tokens(texts, verbose=False)["input_ids"]]
        notes = [f"text cut to {room} tokens" if long else "" for long in cut]
        return [[Score(metric, float(value), note)] for value, note in zip(cosine, notes, strict=True)]
