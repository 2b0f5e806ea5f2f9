"""Which style a picture has: by any image classifier of transformers, or without one by a CLIP over a list of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.interfaces import Scorer
from dumo_bench.scorers import clip, stylenames, weights
from dumo_bench.scorers.clip_accuracy import STYLE, erased_words, probabilities, texts
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.storage import hub
from dumo_bench.types import Metric, Reason, Sample, Score, Suite, digest, spelt

if TYPE_CHECKING:
    from typing import Self

ZERO_SHOT = "clip:"


@dataclass(frozen=True)
class StyleClassifier(Scorer):
    """style.<model>.right: 1 if the prompt's style is the likeliest; .right3: among the three likeliest; .p: its share.

    style.<model>.erased: 1 if the likeliest style is one that the case erases, or on a target the prompt's own word
    for it; not measured where a concept that the case erases has no label, nor asked for where none of them is a style.
    `style_classifier@MODEL` takes a folder or hub id of an image classifier; `style_classifier@clip:MODEL` a CLIP,
    which chooses among the suite's styles by "a picture in the style of {style}", and `@clip:MODEL:FILE.txt` among the
    file's, one a line. Labels are matched with the suite's styles whatever their form, and by surname where one is
    meant (stylenames.py). A style that no label names is not measured. How many of the unedited model's pictures a
    classifier recognises has to stand beside every number: for one published classifier and one artist it was reported
    to be a tenth.
    """

    name: ClassVar[str] = "style_classifier"
    version: ClassVar[str] = "4"  # 3 padded its texts to CLIP's length; 2 matched no surnames
    cite: ClassVar[str] = "https://arxiv.org/abs/2103.00020 (zero-shot), or the classifier's own page"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "radford2021clip",
            "Learning Transferable Visual Models From Natural Language Supervision",
            (
                "Alec Radford",
                "Jong Wook Kim",
                "Chris Hallacy",
                "Aditya Ramesh",
                "Gabriel Goh",
                "Sandhini Agarwal",
                "Girish Sastry",
                "Amanda Askell",
                "Pamela Mishkin",
                "Jack Clark",
                "Gretchen Krueger",
                "Ilya Sutskever",
            ),
            2021,
            venue="International Conference on Machine Learning",
            arxiv="2103.00020",
        ),
    )
    takes: ClassVar[str] = "model"
    model: clip.Spec = f"{ZERO_SHOT}emoji"
    device: str = "auto"
    styles: tuple[str, ...] = ()
    task: str = "style"  # the suite's: where others are erased, a word is a style if a prompt shows it as one

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Called after the model, and after the list if one was given."""
        chosen = [Path(self._list).stem] if self._list else []
        return _metrics("-".join(["clip", clip.name(self._clip), *chosen]) if self._clip else Path(self.model).name)

    @property
    def _clip(self) -> str:
        """The CLIP that chooses; "" for a classifier."""
        return _zero_shot(self.model)[0]

    @property
    def _list(self) -> str:
        """The file of the styles that it chooses among; "" for the suite's."""
        return _zero_shot(self.model)[1]

    @property
    def _choice(self) -> tuple[str, ...]:
        """What a CLIP chooses among."""
        return stylenames.read(Path(self._list)) if self._list else self.styles

    def for_suite(self, suite: Suite) -> Self:
        """This scorer with the suite's styles, in the order in which they first come."""
        said = [
            prompt.shows.get("style") or (prompt.concept if suite.task == "style" else "") for prompt in suite.prompts
        ]
        return replace(self, styles=tuple(dict.fromkeys(filter(None, said))), task=suite.task)

    @property
    def label(self) -> str:
        """Name and hash of the weights, and of the list that was given."""
        if self._clip:
            given = f", {len(self._choice)} styles {digest(self._choice)[:12]}" if self._list else ""
            return clip.load(self._clip, weights.device(self.device)).weights + given
        return weights.label(weights.folder(self.model) or Path(self.model))

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        if self._list and not Path(self._list).is_file():
            return f"{self._list} is missing: write the styles to choose among into it, one a line"
        return clip.missing(self._clip) if self._clip else weights.missing(self.model)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.metrics, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        if self._clip and not self._list and len(self.styles) < 2:
            why = f"a choice needs two styles at least, the suite has {len(self.styles)}"
            return [[Score(metric.name, None, why, "cannot judge") for metric in self.metrics] for _ in samples]
        labels, p = self._seen([sample.image for sample in samples], pictures)
        return [self._verdict(sample, labels, row) for sample, row in zip(samples, p, strict=True)]

    def _seen(self, paths: list[Path], pictures: list[Picture]) -> tuple[tuple[str, ...], NDArray[np.floating]]:
        """The labels (k) and their probabilities (n, k)."""
        device = weights.device(self.device)
        if not self._clip:
            return classify(self.model, device, pictures)
        x = clip.picture_vectors(self._clip, device, paths, pictures)
        return self._choice, probabilities(self._clip, device, x, texts(STYLE, self._choice))

    def _verdict(self, sample: Sample, labels: tuple[str, ...], p: NDArray[np.floating]) -> list[Score]:
        *asked, erased = (metric.name for metric in self.metrics)
        word = sample.prompt.shows.get("style") or (
            sample.prompt.concept if sample.prompt.concept in self.styles else ""
        )
        best = np.argsort(-p, kind="stable")
        seen = labels[best[0]]
        shown = self._erased(erased, sample, labels, int(best[0]))
        at = stylenames.place(word, labels, self.styles)
        if isinstance(at, str):
            reason: Reason = "cannot judge" if word else "not asked"
            return [*(Score(name, None, at, reason) for name in asked), shown]
        values = (float(best[0] == at), float(at in best[:3]), float(p[at]))
        return [*(Score(name, value, seen) for name, value in zip(asked, values, strict=True)), shown]

    def _erased(self, metric: str, sample: Sample, labels: Sequence[str], best: int) -> Score:
        """Whether the likeliest label is one that the case erases; None where one of these has no label."""
        if self.task != "style" and not {*map(spelt, sample.case.erase)} & {*map(spelt, self.styles)}:
            return Score(metric, None, "the case erases no style", "not asked")
        found = {word: stylenames.place(word, labels, self.styles) for word in erased_words(sample)}
        gone = [found[word] for word in sample.case.erase]
        if why := "; ".join(at for at in gone if isinstance(at, str)):
            return Score(metric, None, why, "cannot judge")
        if not gone:
            return Score(metric, None, "the case erases nothing", "not asked")
        return Score(metric, float(best in found.values()), labels[best])


def _metrics(model: str) -> tuple[Metric, ...]:
    """The metrics of a classifier of that name."""
    name, by = f"style.{model}", f"({model})"
    right = Metric(
        f"{name}.right", "0 or 1", "higher",
        kind="rate", measures="asked", sees="style", partner=f"{name}.erased", title=f"style right {by}",
    )  # fmt: skip
    return (
        right,
        Metric(f"{name}.right3", "0 or 1", "higher", "neither", kind="rate", title=f"style among the first three {by}"),
        Metric(
            f"{name}.p", "probability", "higher", measures="asked", sees="style", title=f"probability of the style {by}"
        ),
        Metric(f"{name}.erased", "0 or 1", "lower", kind="rate", measures="erased", title=f"erased style seen {by}"),
    )


def _zero_shot(model: clip.Spec) -> tuple[str, str]:
    """`clip:MODEL:FILE.txt` as the CLIP and the file; "" for what is not given, and for both of a classifier."""
    text = str(model)
    if not text.startswith(ZERO_SHOT):
        return "", ""
    head, _, tail = text.removeprefix(ZERO_SHOT).rpartition(":")
    return (head, tail) if head and tail.endswith(".txt") else (text.removeprefix(ZERO_SHOT), "")


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
    with weights.opened(place, "image processor"):
        processor = AutoImageProcessor.from_pretrained(place, **hub.CLOSED)
    return weights.load(AutoModelForImageClassification, place, device), processor
