"""Which object and which style a picture shows, by the emoji-judge: a classifier that shares nothing with the CLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dumo_bench.errors import UserError
from dumo_bench.scorers import weights
from dumo_bench.scorers.pictures import Picture, as_input, scored
from dumo_bench.types import Sample, Score

NOTHING = "nothing"
Head = Literal["object", "style"]


class Seen(NamedTuple):
    """What the judge makes of one picture: word -> probability, for each head."""

    object: Mapping[str, float]
    style: Mapping[str, float]

    def top(self, head: Head) -> str:
        found: Mapping[str, float] = getattr(self, head)
        return max(found, key=found.__getitem__)

    @property
    def label(self) -> str:
        return f"{self.top('object')}/{self.top('style')}"


@dataclass(frozen=True)
class Concept:
    """Right or wrong, with probabilities.

    judge.object, judge.style: 1 if the top class is what the prompt says should be shown. judge.erased: 1 if the top
    object or the top style is a concept that the case erases; "nothing" is no concept. judge.nothing: 1 if the top
    object is "nothing". A score that ends in _p is a softmax probability. The note of a measured score is what was
    seen, "object/style". Probabilities are of the head's own classes, so an unknown picture is still some class.
    """

    name: ClassVar[str] = "concept"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "emoji-judge, trained by this project (dumo_bench/emoji/train_judge.py)"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "judge.object": True,
        "judge.style": True,
        "judge.object_p": True,
        "judge.style_p": True,
        "judge.erased": False,
        "judge.erased_p": False,
        "judge.nothing": False,
    }
    needs: ClassVar[frozenset[str]] = frozenset({"picture", "words"})
    model: Path = weights.JUDGE
    device: str = "auto"

    @property
    def units(self) -> Mapping[str, str]:
        """Metric -> its unit."""
        return {metric: "probability" if metric.endswith("_p") else "0 or 1" for metric in self.higher_is_better}

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return weights.label(self.model)

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.missing(self.model)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.higher_is_better, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        seen = look(pictures, self.model, weights.device(self.device))
        return [verdicts(sample, one) for sample, one in zip(samples, seen, strict=True)]


def verdicts(sample: Sample, seen: Seen) -> list[Score]:
    """The scores of one picture, given what the judge saw."""
    return [
        *_shows(sample.prompt.shows, seen, "object"),
        *_shows(sample.prompt.shows, seen, "style"),
        *_erased(sample.case.erase, seen),
        Score("judge.nothing", float(seen.top("object") == NOTHING), seen.label),
    ]


def _shows(shows: Mapping[str, str], seen: Seen, head: Head) -> list[Score]:
    names = (f"judge.{head}", f"judge.{head}_p")
    word, found = shows.get(head), getattr(seen, head)
    if word is None:
        return [Score(name, None, f"the prompt names no {head}") for name in names]
    if word not in found:
        return [Score(name, None, f"the judge knows no {head} called {word!r}") for name in names]
    return [Score(names[0], float(seen.top(head) == word), seen.label), Score(names[1], found[word], seen.label)]


def _erased(erase: Sequence[str], seen: Seen) -> list[Score]:
    names = ("judge.erased", "judge.erased_p")
    known = {**seen.object, **seen.style}
    unknown = [word for word in erase if word not in known or word == NOTHING]
    if unknown or not erase:
        why = f"the judge knows no {unknown[0]!r}" if unknown else "the case erases nothing"
        return [Score(name, None, why) for name in names]
    shown = seen.top("object") in erase or seen.top("style") in erase
    return [Score(names[0], float(shown), seen.label), Score(names[1], max(known[word] for word in erase), seen.label)]


def look(pictures: Sequence[Picture], folder: Path, device: str) -> list[Seen]:
    """What the judge in `folder` sees in each picture."""
    import torch

    judge = _load(folder, device)
    heads = {head: _head(judge.config.id2label, head) for head in ("object", "style")}
    with torch.inference_mode():
        logits = judge(as_input(pictures, 64, device)).logits
        p = {head: logits[:, list(words)].softmax(1).cpu().numpy() for head, words in heads.items()}
    return [
        Seen(*(_named(heads[head].values(), p[head][i]) for head in ("object", "style"))) for i in range(len(pictures))
    ]


def _named(words: Any, p: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(words, p.tolist(), strict=True))


def _head(labels: Mapping[int, str], head: str) -> dict[int, str]:
    """Index of a logit -> word, for one head; "object:dog" is the label of dog."""
    return {int(i): label.removeprefix(f"{head}:") for i, label in labels.items() if label.startswith(f"{head}:")}


@cache
def _load(folder: Path, device: str) -> Any:
    from transformers import ResNetForImageClassification

    judge = weights.load(ResNetForImageClassification, folder, device)
    if not all(_head(judge.config.id2label, head) for head in ("object", "style")):
        raise UserError(f"{folder}: a judge has labels 'object:<word>' and 'style:<word>'; give the folder of a judge")
    return judge
