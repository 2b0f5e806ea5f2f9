"""Files of this machine: of a remote results folder, copies in the cache of the pictures and edits that are read.

A copy is of one version of its file, as the store names it, so it is never stale. It may be deleted at any time; one
that nobody has used for a week is.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path

from dumo_bench.progress import Bar
from dumo_bench.storage import files, remote
from dumo_bench.types import digest

_CHUNK = 64  # files that are read side by side, in memory
_UNUSED = 7 * 24 * 3600  # seconds


def local(path: Path) -> Path:
    """A file of this machine with the same name and content; where there is none, a path where nothing is."""
    return several(path.parent, [path])[0]


def several(folder: Path, paths: Sequence[Path]) -> list[Path]:
    """The same of many files below a folder."""
    if not remote.far(folder):
        return list(paths)
    known = remote.infos(folder, paths)
    places = {path: _place(path, known.get(path)) for path in paths}
    lacking = [path for path in known if not _used(places[path])]
    with Bar("download", len(lacking) if len(lacking) > _CHUNK else 0) as bar:
        for start in range(0, len(lacking), _CHUNK):
            some = lacking[start : start + _CHUNK]
            for path, content in remote.contents(some).items():
                files.write_bytes(places[path], content)
            bar.advance(len(some))
    return [places[path] for path in paths]


def clear() -> None:
    """Delete the copies that nobody has used for a week."""
    for copy in _root().glob("*/*"):
        if files.age(copy) > _UNUSED:
            shutil.rmtree(copy.parent, ignore_errors=True)


def _root() -> Path:
    return files.cache() / "remote"


def _place(path: Path, info: remote.Info | None) -> Path:
    """Where a copy lies. A file that is not there has none, and one whose store tells no version is read anew."""
    of = "none" if info is None else digest([str(path), info.size, info.version or secrets.token_hex(8)])[:24]
    return _root() / of / path.name


def _used(copy: Path) -> bool:
    """Whether it is there, and then it is used now."""
    try:
        os.utime(copy)
    except FileNotFoundError:
        return False
    return True
