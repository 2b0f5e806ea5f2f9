"""One scorer and some pictures: what it says of its metrics, what is still to be measured, and its scores, checked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, SupportsFloat, TypeAlias, TypeVar

from dumo_bench.errors import UserError, unknown
from dumo_bench.interfaces import Detector, Scorer, SetScorer
from dumo_bench.plugins import versions
from dumo_bench.progress import log
from dumo_bench.storage.metrics import Declared
from dumo_bench.texts import line
from dumo_bench.types import Detection, Sample, Score, SetScore

if TYPE_CHECKING:
    import polars as pl

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
    wanted: type = SetScore if isinstance(scorer, SetScorer) else Score
    scores = listed(scorer, scores, wanted, of)
    given, known = [score.metric for score in scores], names(scorer)
    for n, name in enumerate(given):
        if name not in known:
            what = f"scorer {scorer.name} gave {of} a metric that it does not declare in `metrics`"
            raise Refused(str(unknown(what, name, known)))
        if name in given[:n]:
            raise Refused(f"scorer {scorer.name} gave {of} the metric {name!r} twice; wanted it once")
        if problem := _misfit(scorer, scores[n]):
            raise Refused(f"scorer {scorer.name} gave {of} {problem}")
    if lacking := sorted(known - {*given}):
        raise Refused(
            f"scorer {scorer.name} gave {of} no {lacking[0]!r}, which it declares; wanted a number, or "
            f"Score({lacking[0]!r}, None, why, reason)"
        )
    return scores


def listed(scorer: AnyScorer, found: Any, kind: type, of: str, n: int | None = None) -> list[Any]:
    """What a scorer returned, as a list of `n` things of a kind; else a UserError says what came."""
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Iterable):
        raise Refused(f"scorer {scorer.name} gave {of} {found!r}; wanted a sequence of {kind.__name__}")
    every = list(found)
    if strange := [one for one in every if not isinstance(one, kind)]:
        raise Refused(f"scorer {scorer.name} gave {of} {strange[0]!r}; wanted a sequence of {kind.__name__}")
    if n is not None and len(every) != n:
        raise Refused(f"scorer {scorer.name} was given {n} pictures and gave back {len(every)}; wanted one each")
    return every


def _misfit(scorer: AnyScorer, score: Score) -> str:
    """What is wrong with a value of a metric's kind; "" where nothing is. One that is not finite is not measured."""
    if score.value is None:
        return ""
    if not isinstance(score.value, SupportsFloat):
        return f"{score.value!r} for {score.metric}; wanted a number"
    value, (kind,) = float(score.value), {metric.kind for metric in scorer.metrics if metric.name == score.metric}
    if math.isfinite(value) and (
        (kind == "rate" and value not in (0, 1)) or (kind == "count" and (value < 0 or value != int(value)))
    ):
        wanted = "0 or 1" if kind == "rate" else "a whole number of at least 0"
        return f"{value:g} for {score.metric}, which is a {kind}; wanted {wanted}, or another kind in its Metric"
    return ""


#: of the rows of scores, what tells whether a picture was measured
MEASURED = ("scorer", "scorer_version", "metric", "prompt_id", "seed", "draw", "key", "value")


def unmeasured(scorer: AnyScorer, samples: Sequence[Sample], rows: pl.DataFrame) -> list[Sample]:
    """The samples that still lack a score of this scorer, or have none with a value; `rows`: the columns MEASURED."""
    import polars as pl

    wanted = names(scorer)
    own = (pl.col("scorer") == scorer.name) & (pl.col("scorer_version") == versions.version(scorer))
    mine = rows.filter(own & pl.col("metric").is_in(list(wanted)))
    places = mine.group_by("prompt_id", "seed", "draw", "key").agg(
        pl.col("metric").n_unique(), pl.col("value").is_not_null().any()
    )
    whole = {tuple(place) for *place, n, measured in places.iter_rows() if n == len(wanted) and measured}
    return [s for s in samples if (s.prompt.id, s.draw.seed, s.draw.index, s.job.key) not in whole]


def why(error: BaseException) -> str:
    """An error in one line; the whole of it is in the log at DEBUG."""
    log.debug("a scorer raised", exc_info=error)
    try:
        said = line(str(error))
    except Exception:  # it cannot say what it is
        said = ""
    return f"{type(error).__name__}: {said}"[:300] if said else type(error).__name__


def failed(scorer: AnyScorer, reason: str) -> list[Score]:
    """What a scorer that raised measured of a picture."""
    return [Score(metric.name, None, reason, "failed") for metric in scorer.metrics]


FEW = 10  # pictures in a row; those of one prompt may all be at fault
Measured: TypeAlias = tuple[Sequence[Sequence[Score]], dict[str, list[Row]], str]


@dataclass
class Patience:
    """How many pictures in a row a scorer raised for, and what it said last; after `FEW` it is asked no more."""

    row: int = 0
    reason: str = ""


def tried(scorer: Pictured, samples: Sequence[Sample], patience: Patience) -> Measured:
    """As `measure`; of a picture for which the scorer raises, or asks the program to end, failed scores and the reason.

    Where it raises for several pictures it is asked for each alone, so that only those at fault fail. What it gives in
    place of what it declares is still refused: that is no accident of one picture.
    """
    if patience.row >= FEW:
        return [failed(scorer, patience.reason) for _ in samples], {}, patience.reason
    try:
        found = measure(scorer, samples)
        patience.row = 0
        return *found, ""
    except Refused as refused:
        raise UserError(str(refused)) from refused
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = why(error)
    if len(samples) == 1:
        patience.row, patience.reason = patience.row + 1, reason
        return [failed(scorer, reason)], {}, reason
    alone = [tried(scorer, [sample], patience) for sample in samples]
    boxes = {key: rows for _, of, _ in alone for key, rows in of.items()}
    said = [reason for *_, reason in alone if reason]
    return [scores for each, _, _ in alone for scores in each], boxes, said[-1] if said else ""


class Refused(UserError):
    """A scorer gave what it does not declare, or not what it declares."""


def measure(scorer: Pictured, samples: Sequence[Sample]) -> tuple[Sequence[Sequence[Score]], dict[str, list[Row]]]:
    """The scores of each sample; and of a detector the rows of its boxes, by the picture's key."""
    n = len(samples)
    if isinstance(scorer, Scorer):
        found = zip(samples, listed(scorer, scorer.score(samples), object, "its pictures", n), strict=True)
        return [checked(scorer, scores, f"the picture of prompt {s.prompt.id}") for s, scores in found], {}
    scores: list[Sequence[Score]] = []
    boxes: dict[str, list[Row]] = {}
    for sample, of in zip(samples, listed(scorer, scorer.detect(samples), object, "its pictures", n), strict=True):
        about = f"the picture of prompt {sample.prompt.id}"
        if isinstance(of, Score):
            scores.append([Score(metric.name, None, of.note, of.reason) for metric in scorer.metrics])
        else:
            there = listed(scorer, of, Detection, about)
            scores.append(checked(scorer, scorer.judge(there), about))
            boxes[sample.job.key] = [_box_row(scorer, sample.job.key, box) for box in there]
    return scores, boxes


def _box_row(detector: Detector, key: str, box: Detection) -> Row:
    about = {"key": key, "detector": detector.name, "version": detector.version, "weights": detector.weights}
    return {**about, "order": detector.order, "floor": detector.floor, **asdict(box)}
