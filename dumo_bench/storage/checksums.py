"""Whether pictures are as they were made. Their hashes lie beside them, in files that `sha256sum -c` reads.

Each program writes a file of its own, a line a picture, and writes the line before the picture takes its place: so
every picture has one, and nothing is shared. A store that cannot append writes that one file anew each time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dumo_bench.storage import durable, files

FOLDER = "checksums"


class Found(NamedTuple):
    """Keys of pictures that are not as they were made, each with what is wrong; and of those nobody kept a hash of."""

    altered: Mapping[str, str]
    unknown: tuple[str, ...]


def record(root: Path, picture: Path, sha256: str) -> None:
    """Keep the hash of a picture that is about to be written."""
    place = root / FOLDER / f"{files.HOST}-{os.getpid()}.sha256"
    with files.full_disk(place.parent):
        durable.make(place.parent)
        with place.open("a", encoding="utf-8") as stream:  # a line end first: the last one may be torn
            stream.write(f"\n{sha256}  {picture.relative_to(root).as_posix()}\n")


def known(root: Path) -> dict[str, set[str]]:
    """Key of a picture -> the hashes it had when it was made; of several, each was right once."""
    found: dict[str, set[str]] = {}
    for path in sorted((root / FOLDER).glob("*.sha256")):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            sha256, _, name = line.partition("  ")
            if len(sha256) == 64 and name:
                found.setdefault(Path(name).stem, set()).add(sha256)
    return found


def check(root: Path, pictures: Iterable[tuple[Path, tuple[int, int] | None]]) -> Found:
    """Look at pictures that are there, given with their widths and heights where those are known."""
    right = known(root)
    altered: dict[str, str] = {}
    unknown: list[str] = []
    for path, size in pictures:
        key = path.stem
        if key not in right:
            unknown.append(key)
        wrong = _not_as_made(path, right[key]) if key in right else _unreadable(path, size)
        if wrong:
            altered[key] = wrong
    return Found(altered, tuple(key for key in unknown if key not in altered))


def _not_as_made(path: Path, right: set[str]) -> str:
    if not path.is_file():  # a pipe or a device has no end
        return "it is no file"
    try:
        return "" if files.sha256(path) in right else "it is not as it was made"
    except OSError as error:
        return error.strerror or "it cannot be read"


def _unreadable(path: Path, size: tuple[int, int] | None) -> str:
    """What can be told of a picture without a hash: whether it is whole, and as large as it should be."""
    from PIL import Image

    if not path.is_file():
        return "it is no file"
    try:
        with Image.open(path) as picture:
            picture.load()
            return "" if size in (None, picture.size) else f"it is {picture.width} x {picture.height}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "it cannot be read"
