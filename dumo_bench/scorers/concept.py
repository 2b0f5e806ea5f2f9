"""Which object and which style a picture shows, by the emoji-judge: a classifier that shares nothing with the CLIP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Scorer
from dumo_bench.scorers import weights
from dumo_bench.scorers.pictures import Picture, as_input, scored
from dumo_bench.types import Metric, Sample, Score, Suite, spelt

if TYPE_CHECKING:
    from torch import Tensor

NOTHING = "nothing"
UNSEEN = 0.327  # of 630 drawings of openmoji, of which its training had none (docs/emoji-sd.md)
Head = Literal["object", "style"]


def _asked(head: Head) -> tuple[Metric, Metric]:
    """Whether a head sees what the prompt asks for, and with which probability."""
    name, partner, title = f"judge.{head}", "judge.erased", f"{head} right"
    unseen = UNSEEN if head == "object" else None
    right = Metric(
        *(name, "0 or 1", "higher"),
        kind="rate", measures="asked", sees=head, partner=partner, held_out=unseen, title=title,
    )  # fmt: skip
    p = Metric(f"{name}_p", "probability", "higher", measures="asked", sees=head, title=f"probability of the {head}")
    return right, p


(_OBJECT, _OBJECT_P), (_STYLE, _STYLE_P) = _asked("object"), _asked("style")
METRICS = (
    *(_OBJECT, _STYLE, _OBJECT_P, _STYLE_P),
    Metric(
        *("judge.erased", "0 or 1", "lower"),
        kind="rate",
        measures="erased",
        held_out=UNSEEN,
        title="erased concept seen",
    ),
    Metric("judge.erased_p", "probability", "lower", measures="erased", title="probability of the erased concept"),
    Metric("judge.nothing", "0 or 1", "lower", kind="rate", title="nothing seen"),
)


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
class Concept(Scorer):
    """Right or wrong, with probabilities.

    judge.object, judge.style: 1 if the top class is what the prompt says should be shown. judge.erased: 1 if the top
    object or the top style is a concept that the case erases; "nothing" is no concept. judge.nothing: 1 if the top
    object is "nothing". A score that ends in _p is a softmax probability. The note of a measured score is what was
    seen, "object/style". Probabilities are of the head's own classes, so an unknown picture is still some class.
    """

    name: ClassVar[str] = "concept"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "emoji-judge, trained by this project (dumo_bench/emoji/train_judge.py)"
    metrics = METRICS
    model: Path = weights.JUDGE
    device: str = "auto"

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return weights.label(self.model)

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.missing(self.model)

    def cannot_judge(self, suite: Suite) -> Sequence[str]:
        """What is erased or shown and is no class of the judge."""
        if self.missing_weights():
            return ()
        labels = json.loads((self.model / "config.json").read_text(encoding="utf-8"))["id2label"].values()
        known = {spelt(label.partition(":")[2]) for label in labels} - {NOTHING}
        erased = [word for case in suite.cases for word in case.erase]
        shown = [word for prompt in suite.prompts for word in prompt.shows.values()]
        return tuple(word for word in dict.fromkeys([*erased, *shown]) if spelt(word) not in known)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, METRICS, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        seen = look(pictures, self.model, weights.device(self.device))
        return [verdicts(sample, one) for sample, one in zip(samples, seen, strict=True)]


def verdicts(sample: Sample, seen: Seen) -> list[Score]:
    """The scores of one picture, given what the judge saw."""
    return [
        *shows("judge", sample.prompt.shows, seen, "object"),
        *shows("judge", sample.prompt.shows, seen, "style"),
        *erased("judge", sample.case.erase, seen),
        Score("judge.nothing", float(seen.top("object") == NOTHING), seen.label),
    ]


def shows(judge: str, asked: Mapping[str, str], seen: Seen, head: Head) -> list[Score]:
    """Whether a picture shows what its prompt asks of a head, and with which probability; `judge` begins the names."""
    names = (f"{judge}.{head}", f"{judge}.{head}_p")
    word, found = asked.get(head), _spelt(getattr(seen, head))
    if word is None:
        return [Score(name, None, f"the prompt names no {head}", "not asked") for name in names]
    if spelt(word) not in found:
        return [Score(name, None, f"the judge knows no {head} called {word!r}", "cannot judge") for name in names]
    return [
        Score(names[0], float(spelt(seen.top(head)) == spelt(word)), seen.label),
        Score(names[1], found[spelt(word)], seen.label),
    ]


def erased(judge: str, erase: Sequence[str], seen: Seen) -> list[Score]:
    """Whether a picture shows a concept that its case erases, and with which probability."""
    names = (f"{judge}.erased", f"{judge}.erased_p")
    known = _spelt({**seen.object, **seen.style})
    unknown = [word for word in erase if spelt(word) not in known or spelt(word) == NOTHING]
    if not erase:
        return [Score(name, None, "the case erases nothing", "not asked") for name in names]
    if unknown:
        return [Score(name, None, f"the judge knows no {unknown[0]!r}", "cannot judge") for name in names]
    gone = set(map(spelt, erase))
    shown = not gone.isdisjoint(spelt(seen.top(head)) for head in ("object", "style"))
    return [Score(names[0], float(shown), seen.label), Score(names[1], max(known[word] for word in gone), seen.label)]


def _spelt(found: Mapping[str, float]) -> dict[str, float]:
    """By words in the one spelling that they are compared in."""
    return {spelt(word): p for word, p in found.items()}


def look(pictures: Sequence[Picture], folder: Path, device: str) -> list[Seen]:
    """What the judge in `folder` sees in each picture.

    Its configuration may name the `side` that pictures are enlarged to, and its object head's `object_temperature`.
    """
    import torch

    judge = load(folder, device)
    heads = {head: _head(judge.config.id2label, head) for head in ("object", "style")}
    with torch.inference_mode():
        logits = judge(_enlarged(as_input(pictures, 64, device), judge)).logits
        logits = {head: logits[:, list(words)] for head, words in heads.items()}
        logits["object"] /= getattr(judge.config, "object_temperature", 1.0)
        p = {head: found.softmax(1).cpu().numpy() for head, found in logits.items()}
    return [
        Seen(*(_named(heads[head].values(), p[head][i]) for head in ("object", "style"))) for i in range(len(pictures))
    ]


def _enlarged(x: Tensor, judge: Any) -> Tensor:
    """Pictures as large as the judge was trained on."""
    from torch.nn.functional import interpolate

    side = getattr(judge.config, "side", x.shape[-1])
    return x if side == x.shape[-1] else interpolate(x, size=(side, side), mode="bilinear")


def _named(words: Any, p: NDArray[np.float32]) -> dict[str, float]:
    return dict(zip(words, p.tolist(), strict=True))


def _head(labels: Mapping[int, str], head: str) -> dict[int, str]:
    """Index of a logit -> word, for one head; "object:dog" is the label of dog."""
    return {int(i): label.removeprefix(f"{head}:") for i, label in labels.items() if label.startswith(f"{head}:")}


@cache
def load(folder: Path, device: str) -> Any:
    """The judge in a folder, once in a process for each device."""
    from transformers import ResNetForImageClassification

    judge = weights.load(ResNetForImageClassification, folder, device)
    if not all(_head(judge.config.id2label, head) for head in ("object", "style")):
        raise UserError(f"{folder}: a judge has labels 'object:<word>' and 'style:<word>'; give the folder of a judge")
    return judge
