"""What the scorers of sets share: counting, refusing sets that are too small, naming features and their hash."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.memory import Features
from dumo_bench.types import NO_REFERENCE, Sample, SetScore

Distance = Callable[[Features, Features], tuple[float, str]]  # value, and what to add to the note


def distances(
    prefix: str, extractor: Extracts, samples: Iterable[Sample], reference: Iterable[Path], distance: Distance
) -> list[SetScore]:
    """A distance of the samples' pictures to the reference pictures (.original) and to real ones (.real)."""
    x, lost = extractor.of(sample.image for sample in samples)
    y, y_lost = extractor.of(reference)
    original, real = (f"{prefix}.{extractor.name}.{against}" for against in ("original", "real"))
    first = _distance(original, extractor, (x, y), (lost, y_lost), distance)
    known = extractor.real_features()
    if isinstance(known, str):
        return [first, SetScore(real, None, known, len(x), lost)]
    return [first, _distance(real, extractor, (x, known[0]), (lost, known[1]), distance)]


def noted(note: str, lost: int) -> str:
    """What is to be known of a set, after why pictures of it are missing."""
    return f"{lost} missing: picture cannot be read; {note}" if lost else note


def _distance(
    metric: str, extractor: Extracts, sets: tuple[Features, Features], lost: tuple[int, int], distance: Distance
) -> SetScore:
    x, y = sets
    note = noted(f"n={len(x)}, against {len(y)}, {extractor.label}", lost[0])
    note += f"; {lost[1]} {NO_REFERENCE}" if lost[1] else ""
    if min(len(x), len(y)) < 2:
        return SetScore(metric, None, f"a set of fewer than 2 pictures: {note}", len(x), lost[0])
    if x.shape[1] != y.shape[1]:
        return SetScore(metric, None, f"features of width {x.shape[1]} and {y.shape[1]}: {note}", len(x), lost[0])
    value, more = distance(x, y)
    return SetScore(metric, value, f"{note}{more}", len(x), lost[0], how="one number of the whole set")
