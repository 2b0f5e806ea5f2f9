"""One scorer and some pictures: what it says of its metrics, what is still to be measured, and its scores, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias, TypeVar

from dumo_bench.errors import UserError, unknown
from dumo_bench.interfaces import Detector, Scorer, SetScorer
from dumo_bench.plugins import versions
from dumo_bench.storage.metrics import Declared
from dumo_bench.types import Detection, Sample, Score

Row: TypeAlias = dict[str, Any]
AnyScorer: TypeAlias = Scorer | SetScorer | Detector
Pictured: TypeAlias = Scorer | Detector
S = TypeVar("S", bound=Score)


def declared(scorer: AnyScorer) -> list[Declared]:
    """What a scorer says of its metrics."""
    version = versions.version(scorer)
    return [Declared(scorer.name, version, metric, scorer.cite) for metric in scorer.metrics]


def names(scorer: AnyScorer) -> set[str]:
    """What a scorer's metrics are called."""
    return {metric.name for metric in scorer.metrics}


def checked(scorer: AnyScorer, scores: Sequence[S], of: str) -> Sequence[S]:
    """The scores of one picture or set: every declared metric, once, and no other; else a UserError names both."""
    given, known = [score.metric for score in scores], names(scorer)
    for n, name in enumerate(given):
        if name not in known:
            raise unknown(f"scorer {scorer.name} gave {of} a metric that it does not declare in `metrics`", name, known)
        if name in given[:n]:
            raise UserError(f"scorer {scorer.name} gave {of} the metric {name!r} twice; wanted it once")
    if lacking := sorted(known - {*given}):
        raise UserError(
            f"scorer {scorer.name} gave {of} no {lacking[0]!r}, which it declares; wanted a number, or "
            f"Score({lacking[0]!r}, None, why, reason)"
        )
    return scores


def unmeasured(scorer: AnyScorer, samples: Sequence[Sample], rows: Iterable[Row]) -> list[Sample]:
    """The samples that still lack a score of this scorer."""
    wanted, current = names(scorer), versions.version(scorer)
    known: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row["metric"] in wanted and (row["scorer"], row["scorer_version"]) == (scorer.name, current):
            known.setdefault((row["prompt_id"], row["seed"], row["draw"], row["key"]), []).append(row)

    def whole(found: list[Row]) -> bool:
        return wanted <= {row["metric"] for row in found} and any(row["value"] is not None for row in found)

    def place(sample: Sample) -> tuple[Any, ...]:
        return (sample.prompt.id, sample.draw.seed, sample.draw.index, sample.job.key)

    return [sample for sample in samples if not whole(known.get(place(sample), []))]


def measure(scorer: Pictured, samples: Sequence[Sample]) -> tuple[Sequence[Sequence[Score]], dict[str, list[Row]]]:
    """The scores of each sample; and of a detector the rows of its boxes, by the picture's key."""
    if isinstance(scorer, Scorer):
        found = zip(samples, scorer.score(samples), strict=True)
        return [checked(scorer, scores, f"the picture of prompt {s.prompt.id}") for s, scores in found], {}
    scores: list[Sequence[Score]] = []
    boxes: dict[str, list[Row]] = {}
    for sample, of in zip(samples, scorer.detect(samples), strict=True):
        if isinstance(of, Score):
            scores.append([Score(metric.name, None, of.note, of.reason) for metric in scorer.metrics])
        else:
            scores.append(checked(scorer, scorer.judge(of), f"the picture of prompt {sample.prompt.id}"))
            boxes[sample.job.key] = [_box_row(scorer, sample.job.key, box) for box in of]
    return scores, boxes


def _box_row(detector: Detector, key: str, box: Detection) -> Row:
    about = {"key": key, "detector": detector.name, "version": detector.version, "weights": detector.weights}
    return {**about, "order": detector.order, "floor": detector.floor, **asdict(box)}
