"""Where the weights of the emoji scorers lie, and what to type when they do not."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from dumo_bench.types import UserError

EMOJI = Path(__file__).resolve().parent.parent / "emoji" / "weights"
CLIP, JUDGE, REAL = EMOJI / "clip", EMOJI / "judge", EMOJI / "real.safetensors"


def missing(path: Path) -> str | None:
    """What is missing and how to get it, in one line; None when it is there."""
    if (path.suffix == ".safetensors" and path.is_file()) or (path / "config.json").is_file():
        return None
    if path.is_relative_to(EMOJI):
        return f"{path} is missing: type `pip install --force-reinstall dumo-bench`, whose package contains it"
    return f"{path} is no model folder: config.json is missing; give a folder written by save_pretrained"


def require(path: Path) -> Path:
    """The path, or a UserError that says what to type."""
    if problem := missing(path):
        raise UserError(problem)
    return path


@cache
def sha12(path: Path) -> str:
    """The first 12 hex digits of the sha256 of a file, or of a folder's weight files in the order of their names."""
    files = [path] if path.is_file() else sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:12]


def device(name: str) -> str:
    """ "auto" resolved: cuda where there is one, else cpu."""
    import torch

    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
