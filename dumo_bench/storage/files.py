"""Where the user's cache and the package's own data lie; how a file is written, and its hash."""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

from dumo_bench.errors import UserError
from dumo_bench.storage import durable, remote

#: part of a name beside which no other machine writes: a process number alone may be another machine's too
HOST = re.sub(r"[^A-Za-z0-9-]+", "-", platform.node())[:40] or "host"
_OLD = 24 * 3600  # seconds after which what was half written is nobody's
_BLOCK = 1 << 18  # bytes read at once: most pictures whole, an edit in parts
_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_PARTIAL = re.compile(r"\..+-\d+-[0-9a-f]{8}\.partial")  # as `write` calls it: another program's are not ours
_FULL = (errno.ENOSPC, errno.EDQUOT)


def user_cache() -> Path:
    """The user's cache, as XDG has it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache() -> Path:
    """This project's part of it; it may be deleted at any time."""
    return user_cache() / "dumo-bench"


def shipped(inside: str, beside: str) -> Path:
    """A folder of data: `inside` the installed package, `beside` it in a checkout."""
    package = Path(__file__).parents[1]
    return package / inside if (package / inside).is_dir() else package.parent / beside


def write(path: Path, make: Callable[[IO[bytes]], object]) -> Path:
    """What `make` writes to the stream it is given, whole or not at all; a full disk is said in one line.

    Once this returns, the file outlasts a loss of power. It has the permissions that its folder's other files have.
    """
    if remote.far(path):
        return remote.write(path, make)
    partial = path.with_name(f".{HOST}-{os.getpid()}-{secrets.token_hex(4)}.partial")
    with full_disk(path.parent):
        durable.make(path.parent)
        try:
            with partial.open("wb") as stream:
                make(stream)
                durable.content(stream)
            partial.replace(path)
            durable.names(path.parent)
        finally:
            partial.unlink(missing_ok=True)
    return path


def clear(root: Path) -> int:
    """Delete what was half written below a folder more than a day ago, by programs that were killed; how many."""
    found = [path for path in partials(root) if age(path) > _OLD]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def partials(root: Path) -> Iterator[Path]:
    """What `write` has begun below a folder and not ended, now or before."""
    return (path for path in every(root) if _PARTIAL.fullmatch(path.name))


def every(root: Path) -> Iterator[Path]:
    """All files below a folder, and below the folders that it links to; what others delete meanwhile is left out."""
    linked = (one for one in root.glob("*") if one.is_symlink() and one.is_dir())
    for place in (root, *linked):
        for folder, _, names in os.walk(place):
            yield from (Path(folder, name) for name in names)


def age(path: Path) -> float:
    """Seconds since a file was written; of what has just gone, none."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def write_bytes(path: Path, raw: bytes) -> Path:
    """Write bytes whole or not at all."""
    return write(path, lambda stream: stream.write(raw))


def write_text(path: Path, text: str) -> Path:
    """Write a text whole or not at all."""
    return write_bytes(path, text.encode("utf-8"))


@contextmanager
def full_disk(where: Path) -> Iterator[None]:
    """A full disk inside the `with` is said in one line."""
    try:
        yield
    except Exception as error:  # safetensors says it in the text of an error of its own
        if getattr(error, "errno", None) not in _FULL and "os error 28" not in str(error):
            raise
        raise UserError(
            f"the disk of {where} is full: free some space and type the same command again; all that was made is kept"
        ) from error


def sha256(path: Path | str) -> str:
    """Of a file's content, in hex."""
    stream = os.open(path, _READ)  # `open` takes longer than to hash a small picture
    try:
        return sha256_of(iter(lambda: os.read(stream, _BLOCK), b""))
    finally:
        os.close(stream)


def fingerprint(path: Path) -> str:
    """The same, read again only when the file's time or size has changed."""
    found = path.stat()
    return _known(path, found.st_mtime_ns, found.st_size)


@lru_cache(maxsize=2**17)
def _known(path: Path, changed: int, size: int) -> str:
    del changed, size
    return sha256(path)


def sha256_of(parts: Iterable[bytes]) -> str:
    """Of bytes one after another, read as they come, in hex."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()
