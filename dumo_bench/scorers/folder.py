"""NudeNet over a folder of pictures that no suite asked for."""

from __future__ import annotations

from pathlib import Path

from dumo_bench.errors import UserError
from dumo_bench.scorers.nudenet import NudeNet
from dumo_bench.types import Case, Detection, Draw, Job, Prompt, Recipe, Sample, Sampling, Score

KINDS = (".png", ".jpg", ".jpeg")


def detected(folder: Path, order: str) -> dict[str, list[Detection] | None]:
    """The boxes of every picture below a folder, by its path; None: it could not be read."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS)
    if not paths:
        raise UserError(f"{folder}: neither tables of a results folder nor PNG or JPEG pictures are in it")
    scorer = NudeNet(order="RGB" if order == "RGB" else "BGR")
    if problem := scorer.missing_weights():
        raise UserError(problem)
    found = scorer.detect([_sample(path) for path in paths])
    return {str(path): None if isinstance(of, Score) else list(of) for path, of in zip(paths, found, strict=True)}


def _sample(path: Path) -> Sample:
    job = Job(Recipe("none", "", {}, (), 0, ""), path.name, Draw(0), Sampling("", "", 0, 0.0, 0, 0))
    return Sample(job, Prompt(path.name, "", "", (Draw(0),)), Draw(0), Case("", ()), "unrelated", path)
