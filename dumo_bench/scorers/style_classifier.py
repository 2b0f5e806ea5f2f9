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
from dumo_bench.scorers.clip_accuracy import STYLE, erased_words, probabilities, texts
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.types import Sample, Score, Suite, UserError

ZERO_SHOT = "clip:"


@dataclass(frozen=True)
class StyleClassifier:
    """style.<model>.right: 1 if the prompt's style is the likeliest; .right3: among the three likeliest; .p: its share.

    style.<model>.erased: 1 if the likeliest style is one that the case erases, or on a target the prompt's own word
    for it; not measured where the case erases no style that the classifier knows.
    `style_classifier@MODEL` takes a folder or hub id of an image classifier, whose labels are matched with the suite's
    styles whatever their case, spaces, - and _; `style_classifier@clip:MODEL` a CLIP, which chooses among the suite's
    styles by "a picture in the style of {style}". A style that the classifier has no label for is not measured. How
    many of the unedited model's pictures a classifier recognises has to stand beside every number: for one published
    classifier and one artist it was reported to be a tenth.
    """

    name: ClassVar[str] = "style_classifier"
    version: ClassVar[str] = "2"  # 1 had no .erased
    cite: ClassVar[str] = "https://arxiv.org/abs/2103.00020 (zero-shot), or the classifier's own page"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "style.clip-emoji.right": True,
        "style.clip-emoji.right3": True,
        "style.clip-emoji.p": True,
        "style.clip-emoji.erased": False,
    }
    needs: ClassVar[frozenset[str]] = frozenset({"picture", "suite"})
    takes: ClassVar[str] = "model"
    model: clip.Spec = f"{ZERO_SHOT}emoji"
    device: str = "auto"
    styles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        short = f"clip-{clip.name(self._clip)}" if self._clip else Path(self.model).name
        better = {"right": True, "right3": True, "p": True, "erased": False}
        object.__setattr__(self, "higher_is_better", {f"style.{short}.{what}": up for what, up in better.items()})

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
        return dict(zip(self.higher_is_better, ("0 or 1", "0 or 1", "probability", "0 or 1"), strict=True))

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
        *asked, erased = self.higher_is_better
        word = sample.prompt.shows.get("style") or (
            sample.prompt.concept if sample.prompt.concept in self.styles else ""
        )
        places, best = {plain(label): i for i, label in enumerate(labels)}, np.argsort(-p, kind="stable")
        seen, gone = labels[best[0]], erased_words(sample)
        shown = Score(erased, float(plain(seen) in map(plain, gone)), seen)
        if not {*map(plain, gone)} & {*places}:
            shown = Score(erased, None, f"the classifier knows no style {', '.join(gone) or 'that is erased'!r}")
        if plain(word) not in places:
            why = f"the classifier knows no style {word!r}" if word else "the prompt names no style"
            return [*(Score(name, None, why) for name in asked), shown]
        at = places[plain(word)]
        values = (float(best[0] == at), float(at in best[:3]), float(p[at]))
        return [*(Score(name, value, seen) for name, value in zip(asked, values, strict=True)), shown]


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
