"""CLIP score: does the picture fit its prompt? Hessel et al., EMNLP 2021, https://arxiv.org/abs/2104.08718"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dumo_bench.citation import Paper
from dumo_bench.scorers import clip, weights
from dumo_bench.scorers.bases import ByClip
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.types import Metric, Sample, Score

UNITS = {"cosine": "cosine, -1 to 1", "x100": "100 x cosine", "logit": "cosine x exp(logit_scale), logits_per_image"}


def _metric(model: str, unit: str) -> Metric:
    cosine, title = f"clip.{model}.cosine", f"fits its text (CLIP {model}, {unit})"
    copy_of = "" if unit == "cosine" else cosine
    return Metric(f"clip.{model}.{unit}", UNITS[unit], "higher", measures="fit", copy_of=copy_of, title=title, digits=3)


@dataclass(frozen=True)
class ClipScore(ByClip):
    """The cosine of text and picture, and the two scalings that papers print of it.

    clip.<model>.cosine is plain; .x100 is 100 times it; .logit is transformers' logits_per_image, the cosine times
    the model's own exp(logit_scale), which RECE and UCE average. None is 2.5 max(cos, 0). `clip_score@MODEL` takes
    another model: see dumo_bench/scorers/clip.py. A text longer than the model takes is cut, and the note says so.
    """

    name: ClassVar[str] = "clip_score"
    version: ClassVar[str] = "2"  # 1 padded all texts to the model's length: the last digits differ
    cite: ClassVar[str] = "https://arxiv.org/abs/2104.08718"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "hessel2021clipscore",
            "CLIPScore: A Reference-free Evaluation Metric for Image Captioning",
            ("Jack Hessel", "Ari Holtzman", "Maxwell Forbes", "Ronan Le Bras", "Yejin Choi"),
            2021,
            venue="Conference on Empirical Methods in Natural Language Processing",
            arxiv="2104.08718",
        ),
    )
    model: clip.Spec = weights.CLIP
    device: str = "auto"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One for each unit, called after the model."""
        return tuple(_metric(clip.name(self.model), unit) for unit in UNITS)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.metrics, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        device = weights.device(self.device)
        model, texts = clip.load(self.model, device), [sample.prompt.text for sample in samples]
        x = clip.picture_vectors(self.model, device, [sample.image for sample in samples], pictures)
        cosine = (clip.unit(x) * clip.unit(clip.text_vectors(self.model, device, texts))).sum(1)
        notes = [f"text cut to {model.room} tokens" if n > model.room else "" for n in model.tokens(texts)]
        scales = list(zip(self.metrics, (1.0, 100.0, model.scale), strict=True))
        return [
            [Score(metric.name, float(value) * scale, note) for metric, scale in scales]
            for value, note in zip(cosine, notes, strict=True)
        ]
