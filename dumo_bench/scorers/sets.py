"""What the scorers of sets share: counting, refusing sets that are too small, naming features and their hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.types import Metric, Reason, Sample, SetScore

Distance = Callable[[Features, Features], tuple[float, str]]  # value, and what to add to the note


def pair(
    prefix: str, extractor: Extracts, unit: str, digits: int, of_pairs: Mapping[str, str] | None = None
) -> tuple[Metric, Metric]:
    """The metrics of `distances`. Far from the original's pictures is neither good nor bad where a concept is to go.

    of_pairs: what else the convention of the distance to the original's pictures is.
    """
    name, title, features = f"{prefix}.{extractor.name}", prefix.upper(), {"features": extractor.name}
    original, real = ({**features, "against": against} for against in ("original", "real"))
    original |= of_pairs or {}
    return (
        Metric(
            f"{name}.original", unit, "lower", "neither",
            kind="set", title=f"{title} to the original's", digits=digits, convention=original,
        ),
        Metric(
            f"{name}.real", unit, "lower",
            kind="set", title=f"{title} to real pictures", digits=digits, convention=real,
        ),
    )  # fmt: skip


def distances(
    prefix: str,
    extractor: Extracts,
    sets: tuple[Iterable[Sample], Iterable[Path]],
    distance: Distance,
    of_pairs: Distance | None = None,
) -> list[SetScore]:
    """A distance of the samples' pictures to the reference pictures (.original) and to real ones (.real).

    of_pairs: the distance where the reference pictures are the samples' own originals, both (n, d) in one order.
    """
    samples, reference = list(sets[0]), list(sets[1])
    x, lost = extractor.of(sample.image for sample in samples)
    y, y_lost = extractor.of(reference)
    original, real = (f"{prefix}.{extractor.name}.{against}" for against in ("original", "real"))
    if of_pairs and [sample.original for sample in samples] == reference:
        both = (x, y) if not lost + y_lost else _readable(extractor, samples)
        first = _distance(original, extractor, both, (len(samples) - len(both[0]), y_lost), of_pairs)
    else:
        first = _distance(original, extractor, (x, y), (lost, y_lost), distance)
    known = extractor.real_features()
    if isinstance(known, str):
        return [first, SetScore(real, None, known, "no reference", n=len(x), n_missing=lost)]
    return [first, _distance(real, extractor, (x, known[0]), (lost, known[1]), distance)]


def _readable(extractor: Extracts, samples: Iterable[Sample]) -> tuple[Features, Features]:
    """Features of the pairs of which both pictures can be read; these are known by now, so that none is made twice."""
    pairs = [(sample.image, sample.original) for sample in samples if sample.original is not None]
    whole = [both for both in pairs if not any(extractor.of([path])[1] for path in both)]
    return extractor.of(image for image, _ in whole)[0], extractor.of(original for _, original in whole)[0]


def noted(note: str, lost: int) -> str:
    """What is to be known of a set, after why pictures of it are missing."""
    return f"{lost} missing: picture cannot be read; {note}" if lost else note


def _distance(
    metric: str, extractor: Extracts, sets: tuple[Features, Features], lost: tuple[int, int], distance: Distance
) -> SetScore:
    x, y = sets
    note = noted(f"n={len(x)}, against {len(y)}, {extractor.label}", lost[0])
    note += f"; {lost[1]} reference pictures could not be read" if lost[1] else ""
    counted = partial(SetScore, metric, n=len(x), n_missing=lost[0], lost=lost[1])
    if min(len(x), len(y)) < 2:
        reason: Reason = "no reference" if len(x) >= 2 and not len(y) else "too few pictures"
        return counted(None, f"a set of fewer than 2 pictures: {note}", reason)
    if x.shape[1] != y.shape[1]:
        return counted(None, f"features of width {x.shape[1]} and {y.shape[1]}: {note}", "failed")
    value, more = distance(x, y)
    return counted(value, f"{note}{more}", how="one number of the whole set")
