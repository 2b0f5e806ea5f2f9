"""What scorers have in common that one model serves: which weights it has, and what is missing of them."""

from __future__ import annotations

from typing import ClassVar

from dumo_bench.interfaces import Scorer, SetScorer
from dumo_bench.scorers import clip, weights
from dumo_bench.scorers.features import Extracts


class ByClip(Scorer):
    """A scorer of pictures whose field `model` names a CLIP; `name@value` names another one."""

    takes: ClassVar[str] = "model"
    model: clip.Spec
    device: str

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return clip.load(self.model, weights.device(self.device)).weights

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return clip.missing(self.model)


class ByFeatures(SetScorer):
    """A scorer of sets whose field `extractor` makes features of pictures."""

    extractor: Extracts

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return self.extractor.label

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return self.extractor.missing_weights()
