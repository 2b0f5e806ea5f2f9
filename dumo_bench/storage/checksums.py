"""Whether pictures are as they were made. Their hashes lie beside them, in files that `sha256sum -c` reads.

Each program writes a file of its own, a line a picture, and writes the line before the picture takes its place: so
every picture has one, and nothing is shared. In an object store nothing can be appended to: there each thread takes a
file that no other one has, writes it anew for every picture, and begins another one after some. Beside the SHA-256
stands, as a comment, the MD5: stores list it of what they hold, so that a picture is known to be as it was made without
being read.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from dumo_bench.storage import copies, durable, files, remote

FOLDER = "checksums"
_MOST = 200  # pictures of a file that is written anew for each


class Found(NamedTuple):
    """Keys of pictures that are not as they were made, each with what is wrong; and of those nobody kept a hash of."""

    altered: Mapping[str, str]
    unknown: tuple[str, ...]


def record(root: Path, picture: Path, content: bytes) -> None:
    """Keep the hash of a picture that is about to be written."""
    name, sha256 = picture.relative_to(root).as_posix(), files.sha256_of([content])
    if remote.far(root):
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        _add(root / FOLDER, f"# {md5}  {name}\n{sha256}  {name}\n")
        return
    place = root / FOLDER / f"{files.HOST}-{os.getpid()}.sha256"
    with files.full_disk(place.parent):
        durable.make(place.parent)
        with place.open("a", encoding="utf-8") as stream:  # a line end first: the last one may be torn
            stream.write(f"\n{sha256}  {name}\n")


class _File(NamedTuple):
    """A file in a store, of this process and of one thread at a time, and what it holds so far."""

    place: Path
    lines: list[str]


_IDLE: defaultdict[tuple[int, str], list[_File]] = defaultdict(list)  # by process, for one may fork, and folder


def _add(folder: Path, text: str) -> None:
    """Add lines to a file that no other thread is writing."""
    idle = _IDLE[os.getpid(), str(folder)]
    try:
        file = idle.pop()
    except IndexError:
        file = _File(folder / f"{files.HOST}-{os.getpid()}-{secrets.token_hex(4)}.sha256", [])
    file.lines.append(text)
    files.write_text(file.place, "".join(file.lines))
    if len(file.lines) < _MOST:
        idle.append(file)


def known(root: Path) -> dict[str, set[str]]:
    """Key of a picture -> the hashes it had when it was made, SHA-256 or MD5; of several, each was right once."""
    found: dict[str, set[str]] = {}
    for text in _texts(root / FOLDER):
        for line in text.splitlines():
            value, _, name = line.removeprefix("# ").partition("  ")
            if len(value) in (64, 32) and name:
                found.setdefault(_key(name), set()).add(value)
    return found


def _key(place: str) -> str:
    return place.rpartition("/")[2].rpartition(".")[0]


def _texts(folder: Path) -> Iterable[str]:
    if remote.far(folder):
        return remote.texts(folder, ".sha256")
    return (path.read_text(encoding="utf-8", errors="replace") for path in sorted(folder.glob("*.sha256")))


def check(
    root: Path,
    pictures: Iterable[tuple[Path | str, tuple[int, int] | None]],
    md5: Mapping[str, str] = MappingProxyType({}),
) -> Found:
    """Look at pictures that are there, given with their widths and heights where those are known.

    md5: by key, of those whose store lists it.
    """
    right = known(root)
    altered: dict[str, str] = {}
    unknown: list[str] = []
    every = [(_key(str(path)), path, size) for path, size in pictures]
    unread = [(key, path, size) for key, path, size in every if md5.get(key) not in right.get(key, ())]
    there: Sequence[Path | str] = [path for _, path, _ in unread]
    if remote.far(root):
        there = copies.several(root / "images", [path for path in there if not isinstance(path, str)])
    for path, (key, _, size) in zip(there, unread, strict=True):
        if key not in right:
            unknown.append(key)
        wrong = _not_as_made(path, right[key]) if key in right else _unreadable(path, size)
        if wrong:
            altered[key] = wrong
    return Found(altered, tuple(key for key in unknown if key not in altered))


def _not_as_made(path: Path | str, right: set[str]) -> str:
    if not os.path.isfile(path):  # a pipe or a device has no end
        return "it is no file"
    try:
        return "" if files.sha256(path) in right else "it is not as it was made"
    except OSError as error:
        return error.strerror or "it cannot be read"


def _unreadable(path: Path | str, size: tuple[int, int] | None) -> str:
    """What can be told of a picture without a hash: whether it is whole, and as large as it should be."""
    from PIL import Image

    if not os.path.isfile(path):
        return "it is no file"
    try:
        with Image.open(path) as picture:
            picture.load()
            return "" if size in (None, picture.size) else f"it is {picture.width} x {picture.height}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "it cannot be read"
