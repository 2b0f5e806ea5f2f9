"""Which object a picture shows, by emoji-judge 2: it has seen many artists, and knows a ruin. Styles by the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dumo_bench.interfaces import Scorer
from dumo_bench.scorers import weights
from dumo_bench.scorers.concept import NOTHING, Head, Seen, erased, load, look, shows
from dumo_bench.scorers.pictures import Picture, scored
from dumo_bench.types import Metric, Sample, Score

UNSEEN = 0.856  # of 630 drawings of openmoji, of which its training had none (docs/emoji-sd.md)
SURE = 0.5  # where a judge's configuration does not say how likely an object has to be


def _right(head: Head, title: str) -> Metric:
    name, erased, unseen = f"judge2.{head}", "judge2.erased", UNSEEN if head == "object" else None
    return Metric(
        *(name, "0 or 1", "higher"),
        kind="rate", measures="asked", sees=head, partner=erased, held_out=unseen, title=title,
    )  # fmt: skip


METRICS = (
    _right("object", "object right (judge 2)"),
    _right("style", "style right (judge 2)"),
    Metric(
        *("judge2.object_p", "probability", "higher"),
        measures="asked",
        sees="object",
        title="calibrated probability of the object (judge 2)",
    ),
    Metric(
        *("judge2.erased", "0 or 1", "lower"),
        kind="rate",
        measures="erased",
        held_out=UNSEEN,
        title="erased concept seen (judge 2)",
    ),
    Metric(
        *("judge2.erased_p", "probability", "lower"),
        measures="erased",
        title="calibrated probability of the erased concept (judge 2)",
    ),
    Metric("judge2.unnameable", "0 or 1", "lower", kind="rate", title="shows nothing nameable (judge 2)"),
)


@dataclass(frozen=True)
class Judge2(Scorer):
    """Right or wrong, with calibrated probabilities, and whether the picture shows anything that has a name.

    judge2.object, judge2.erased: as judge.object and judge.erased of `concept`, by a judge that was trained on drawings
    of seventeen artists. judge2.style is the first judge's, which names the styles of generated pictures a little more
    often than the second's own head (docs/emoji-sd.md). judge2.object_p, judge2.erased_p: softmax probabilities of the
    object at a temperature that was fitted on artists unknown to the judge; of a style they are not calibrated.
    judge2.unnameable: 1 if the likeliest object is "nothing", or none is likelier than `sure` of the judge's
    configuration (0.5): a destroyed picture, where judge2.erased is 0 of a replaced one, too. The note of a measured
    score is what was seen, "object/style".
    """

    name: ClassVar[str] = "judge2"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "emoji-judge 2, trained by this project (dumo_bench/emoji/train_judge2.py)"
    metrics = METRICS
    model: Path = weights.JUDGE2
    styles: Path = weights.JUDGE
    device: str = "auto"

    @property
    def label(self) -> str:
        """Names and hashes of the weights."""
        return f"styles {weights.label(self.styles)}, objects {weights.label(self.model)}"

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.missing(self.model) or weights.missing(self.styles)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, METRICS, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        device = weights.device(self.device)
        sure = getattr(load(self.model, device).config, "sure", SURE)
        both = zip(look(pictures, self.model, device), look(pictures, self.styles, device), strict=True)
        seen = [Seen(second.object, first.style) for second, first in both]
        return [verdicts(sample, one, sure) for sample, one in zip(samples, seen, strict=True)]


def verdicts(sample: Sample, seen: Seen, sure: float) -> list[Score]:
    """The scores of one picture, given what the judge saw."""
    asked = sample.prompt.shows
    return [
        *shows("judge2", asked, seen, "object"),
        shows("judge2", asked, seen, "style")[0],
        *erased("judge2", sample.case.erase, seen),
        Score("judge2.unnameable", float(unnameable(seen, sure)), seen.label),
    ]


def unnameable(seen: Seen, sure: float) -> bool:
    """Whether "nothing" is likeliest, or no object is likely enough."""
    return seen.top("object") == NOTHING or max(p for word, p in seen.object.items() if word != NOTHING) < sure
