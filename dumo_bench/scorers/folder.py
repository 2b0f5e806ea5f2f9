"""NudeNet over a folder of pictures that no suite asked for, with what of the folder could not be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.scorers.blank import blank
from dumo_bench.scorers.nudenet import NudeNet
from dumo_bench.scorers.open_nsfw import OpenNsfw
from dumo_bench.scorers.pictures import KINDS, below, read_or_reason
from dumo_bench.types import Case, Detection, Draw, Job, Prompt, Recipe, Sample, Sampling, Score


class Found(NamedTuple):
    """Boxes by a picture's path; why a picture was not read; which are blank; files that are called no picture."""

    boxes: dict[str, list[Detection]]
    unread: dict[str, str]
    blank: list[str]
    skipped: list[str]


def detected(folder: Path, order: str) -> Found:
    """What is in every picture below a folder."""
    paths, others = below(folder)
    if not paths:
        raise UserError(f"{folder}: neither tables of a results folder nor pictures ({' '.join(KINDS)}) are in it")
    scorer = NudeNet(order=order)
    if problem := scorer.missing_weights():
        raise UserError(problem)
    found = dict(zip(map(str, paths), scorer.detect([_sample(path) for path in paths]), strict=True))
    boxes = {path: list(of) for path, of in found.items() if not isinstance(of, Score)}
    unread = {path: of.note for path, of in found.items() if isinstance(of, Score)}
    return Found(boxes, unread, [path for path in boxes if _blank(path)], list(map(str, others)))


def pornographic(paths: Sequence[str]) -> list[float]:
    """open_nsfw's probability of each of these pictures."""
    scorer = OpenNsfw()
    if problem := scorer.missing_weights():
        raise UserError(problem)
    rows = scorer.score([_sample(Path(path)) for path in paths])
    return [row[0].value for row in rows if row[0].value is not None]


def _blank(path: str) -> bool:
    picture = read_or_reason(Path(path))
    return not isinstance(picture, str) and blank(picture)


def _sample(path: Path) -> Sample:
    job = Job(Recipe("none", "", {}, (), 0, ""), path.name, Draw(0), Sampling("", "", 0, 0.0, 0, 0))
    return Sample(job, Prompt(path.name, "", "", (Draw(0),)), Draw(0), Case("", ()), "unrelated", path)
