"""Under which version a scorer's numbers are stored: its own, and what it was given in place of its own weights."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from dumo_bench.interfaces import Detector, Scorer, SetScorer
from dumo_bench.storage import files
from dumo_bench.types import digest


def version(scorer: Scorer | SetScorer | Detector) -> str:
    """`2`, or `2+3f9a0c11` of a scorer that was given weights or a reference (`name@value`).

    Its metrics may be called as those of the scorer's own weights are; so stored, they never pass for one another.
    """
    given = getattr(scorer, scorer.takes) if scorer.takes else None
    if given is None or given == _own(scorer, scorer.takes):
        return scorer.version
    return f"{scorer.version}+{digest([scorer.label, *_inside(given)])[:8]}"


def _own(scorer: Any, field: str) -> Any:
    """What the scorer has where it is given nothing."""
    found = [f.default for f in fields(scorer) if f.name == field] if is_dataclass(scorer) else []
    return found[0] if found and found[0] is not MISSING else None


def _inside(given: Any) -> list[Any]:
    """What was given: of a folder its files with their hashes, else what it is called."""
    place = Path(str(given))
    if not place.is_dir():
        return [place.name]
    every = (path for path in place.rglob("*") if path.is_file())
    return sorted([str(path.relative_to(place)), files.fingerprint(path)] for path in every)
