"""Which style a picture has: by any image classifier of transformers, or without one by a CLIP over a list of names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dumo_bench.scorers import clip, weights
from dumo_bench.scorers.clip_accuracy import STYLE, probabilities, texts
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.types import Sample, Score, Suite, UserError

ZERO_SHOT = "clip:"


@dataclass(frozen=True)
class StyleClassifier:
    """style.<model>.right: 1 if the prompt's style is the likeliest; .right3: among the three likeliest; .p: its share.

    `style_classifier@MODEL` takes a folder or hub id of an image classifier, whose labels are matched with the suite's
    styles whatever their case, spaces, - and _; `style_classifier@clip:MODEL` a CLIP, which chooses among the suite's
    styles by "a picture in the style of {style}". A style that the classifier has no label for is not measured. How
    many of the unedited model's pictures a classifier recognises has to stand beside every number: for one published
    classifier and one artist it was reported to be a tenth.
    """

    name: ClassVar[str] = "style_classifier"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/2103.00020 (zero-shot), or the classifier's own page"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = dict.fromkeys(
        ("style.clip-emoji.right", "style.clip-emoji.right3", "style.clip-emoji.p"), True
    )
    needs: ClassVar[frozenset[str]] = frozenset({"picture", "suite"})
    takes: ClassVar[str] = "model"
    model: clip.Spec = f"{ZERO_SHOT}emoji"
    device: str = "auto"
    styles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        short = f"clip-{clip.name(self._clip)}" if self._clip else Path(self.model).name
        names = [f"style.{short}.{what}" for what in ("right", "right3", "p")]
        object.__setattr__(self, "higher_is_better", dict.fromkeys(names, True))

    @property
    def _clip(self) -> str:
        """The CLIP that chooses; "" for a classifier."""
        text = str(self.model)
        return text.removeprefix(ZERO_SHOT) if text.startswith(ZERO_SHOT) else ""

    def for_suite(self, suite: Suite) -> StyleClassifier:
        """This scorer with the suite's styles, in the order in which they first come."""
        said = [
            prompt.shows.get("style") or (prompt.concept if suite.task == "style" else "") for prompt in suite.prompts
        ]
        return replace(self, styles=tuple(dict.fromkeys(filter(None, said))))

    @property
    def units(self) -> Mapping[str, str]:
        """Metric -> its unit."""
        return dict(zip(self.higher_is_better, ("0 or 1", "0 or 1", "probability"), strict=True))

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        if self._clip:
            return clip.load(self._clip, weights.device(self.device)).weights
        return weights.label(weights.folder(self.model) or Path(self.model))

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return clip.missing(self._clip) if self._clip else weights.missing(self.model)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.higher_is_better, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        if self._clip and len(self.styles) < 2:
            why = f"a choice needs two styles at least, the suite has {len(self.styles)}"
            return [[Score(name, None, why) for name in self.higher_is_better] for _ in samples]
        labels, p = self._seen([sample.image for sample in samples], pictures)
        return [self._verdict(sample, labels, row) for sample, row in zip(samples, p, strict=True)]

    def _seen(self, paths: list[Path], pictures: list[Picture]) -> tuple[tuple[str, ...], NDArray[np.floating]]:
        """The labels (k) and their probabilities (n, k)."""
        device = weights.device(self.device)
        if not self._clip:
            return classify(self.model, device, pictures)
        x = clip.picture_vectors(self._clip, device, paths, pictures)
        return self.styles, probabilities(self._clip, device, x, texts(STYLE, self.styles))

    def _verdict(self, sample: Sample, labels: tuple[str, ...], p: NDArray[np.floating]) -> list[Score]:
        right, right3, share = self.higher_is_better
        word = sample.prompt.shows.get("style") or (
            sample.prompt.concept if sample.prompt.concept in self.styles else ""
        )
        places = {plain(label): i for i, label in enumerate(labels)}
        if plain(word) not in places:
            why = f"the classifier knows no style {word!r}" if word else "the prompt names no style"
            return [Score(name, None, why) for name in self.higher_is_better]
        at, best = places[plain(word)], np.argsort(-p, kind="stable")
        seen = labels[best[0]]
        return [
            Score(right, float(best[0] == at), seen),
            Score(right3, float(at in best[:3]), seen),
            Score(share, float(p[at]), seen),
        ]


def plain(label: str) -> str:
    """A label without case, - and _: "Van_Gogh" and "van gogh" are one style."""
    return " ".join(label.lower().replace("_", " ").replace("-", " ").split())


def classify(model: clip.Spec, device: str, pictures: Sequence[Picture]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """A classifier's labels (k) and the probabilities (n, k) that it gives them."""
    import torch

    network, processor = _load(model, device)
    with torch.inference_mode():
        inputs = processor(images=list(pictures), return_tensors="pt")["pixel_values"].to(device)
        p = network(pixel_values=inputs).logits.softmax(1).cpu().numpy()
    return tuple(network.config.id2label[i] for i in range(p.shape[1])), p


@cache
def _load(model: clip.Spec, device: str) -> tuple[Any, Any]:
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    if problem := weights.missing(model):
        raise UserError(problem)
    place = weights.folder(model)
    assert place is not None  # nothing is missing
    if not (place / "preprocessor_config.json").is_file():
        raise UserError(f"{place}: preprocessor_config.json is missing; save the model's image processor there")
    return weights.load(AutoModelForImageClassification, place, device), AutoImageProcessor.from_pretrained(place)
