"""A results folder on another file system, such as s3://bucket/name, through fsspec.

A path of it is a UPath: it has a `pathlib.Path`'s names, and reads and lists as one. What differs is here. A file is
one put, which an object store does whole or not at all: nothing is renamed, no half of a file ever lies there, and
nothing is appended to. A look at one name is a request, and so is a list of a thousand: whoever asks for many, lists.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from dumo_bench.errors import UserError
from dumo_bench.texts import line
from dumo_bench.types import digest

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_LOCAL = ("file", "local")
_INSTALL = {"s3": "'dumo-bench[s3]'", "s3a": "'dumo-bench[s3]'", "gs": "universal_pathlib gcsfs"}
_HELP = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, say who you are, and AWS_ENDPOINT_URL which "
    "server it is, if not Amazon's",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS says who you are",
}
_LIBRARIES = ("botocore", "aiobotocore", "aiohttp", "gcsfs", "google", "adlfs", "azure")  # whose errors are a store's
_FEW = 64  # files that are asked for one by one; more are listed
#: what stores call the version of a file; its time, where they have none
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "updated", "created")


class Info(NamedTuple):
    """A file of a store: bytes, what tells its content from another's, and its MD5 (hex), where the store lists it."""

    size: int
    version: str
    md5: str


def place(text: str) -> Path:
    """The path that was typed, of this machine or, once it has answered, of a store; it has what is used of a Path."""
    url = _URL.fullmatch(text)
    if not url or url[1] in _LOCAL:
        return Path(url[2] if url else text)
    path = _path(text, url[1])
    try:
        with answers(text):
            _fs(path).find(f"{_name(path)}/runs")
    except FileNotFoundError as error:
        raise _no_bucket(path) from error
    except ValueError as error:  # of an address of a server that is none
        raise UserError(f"{text}: {line(str(error))}{_help(text)}") from error
    return path


def _path(text: str, kind: str) -> Path:
    try:
        from upath import UPath

        path = cast(Path, UPath(text.rstrip("/"), use_listings_cache=False))  # others write there, too
        _fs(path)
    except ImportError as error:
        install = _INSTALL.get(kind, f"universal_pathlib, and what it asks for ({line(str(error))})")
        raise UserError(f"{text}: what reaches it is not installed: type pip install {install}") from error
    except ValueError as error:
        wanted = "wanted a folder, s3://bucket/name, gs://bucket/name"
        raise UserError(f"{text}: no such kind of place: {wanted}") from error
    return path


def _no_bucket(path: Path) -> UserError:
    return UserError(f"{path}: there is no bucket {path.drive!r}: make it with the store's own tools")


def far(path: Path) -> bool:
    """Whether it is a path of another file system."""
    return not isinstance(path, Path)


def private(path: Path) -> bool:
    """Whether it lies in the memory of this process, which no other one sees."""
    return far(path) and cast(Any, path).protocol == "memory"


@contextmanager
def answers(what: object) -> Iterator[None]:
    """That a store refuses or does not answer is said in one line; what is not there is raised as it is."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except Exception as error:
        if (said := fault(error)) is None:
            raise
        raise UserError(f"{what}: {said}{_help(what)}") from error


def _help(what: object) -> str:
    """How a store is told who asks, and which it is."""
    return next((f"; {told}" for kind, told in _HELP.items() if str(what).startswith(kind)), "")


def fault(error: Exception) -> str | None:
    """What a store says is wrong; None of an error that is not a store's."""
    if isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _LIBRARIES:
        return f"the store refuses or does not answer ({line(str(error)) or type(error).__name__})"
    return None


def write(path: Path, make: Callable[[IO[bytes]], object]) -> Path:
    """What `make` writes, as one put."""
    content = io.BytesIO()
    make(content)
    try:
        with answers(path):
            _fs(path).pipe_file(_name(path), content.getvalue())
    except FileNotFoundError as error:
        raise _no_bucket(path) from error
    return path


def create(path: Path, content: bytes) -> bool:
    """Make a file unless it is there, by a put that the store refuses if it is (S3: If-None-Match); False: it is."""
    try:
        with answers(path):
            _fs(path).pipe_file(_name(path), content, mode="create")
    except FileExistsError:
        return False
    except UserError as error:
        if "ConditionalRequestConflict" in repr(error.__cause__):  # it was just being deleted: look again
            return False
        raise
    return True


def texts(folder: Path, ends: str) -> list[str]:
    """The texts of a folder's files whose names end so, in the order of their names, read side by side."""
    with answers(folder):
        names = sorted(name for name in _fs(folder).find(_name(folder)) if name.endswith(ends))
        found = _fs(folder).cat(names, on_error="omit") if names else {}  # a dict, for a list
    return [found[name].decode("utf-8", "replace") for name in names if name in found]


def infos(folder: Path, paths: Sequence[Path]) -> dict[Path, Info]:
    """Those of these files below a folder that are there; of many by one list of the folder."""
    with answers(folder):
        if len(paths) > _FEW:
            there = {name.strip("/"): info for name, info in _fs(folder).find(_name(folder), detail=True).items()}
        else:
            there = {name: info for path in paths if (info := _info(path)) for name in [_name(path).strip("/")]}
    return {path: _told(there[name]) for path in paths if (name := _name(path).strip("/")) in there}


def contents(paths: Sequence[Path]) -> dict[Path, bytes]:
    """What is in those of these files that are there, read side by side."""
    if not paths:
        return {}
    with answers(paths[0]):
        found = _fs(paths[0]).cat([_name(path) for path in paths], on_error="return")
    for path in paths:
        if isinstance(error := found.get(_name(path)), Exception) and not isinstance(error, FileNotFoundError):
            with answers(path):
                raise error
    return {path: raw for path in paths if isinstance(raw := found.get(_name(path)), bytes)}


def _info(path: Path) -> Mapping[str, Any] | None:
    try:
        return cast(Mapping[str, Any], _fs(path).info(_name(path)))
    except FileNotFoundError:
        return None


def _told(info: Mapping[str, Any]) -> Info:
    known = [f"{name}={info[name]}" for name in _VERSIONS if info.get(name)]
    return Info(int(info.get("size") or 0), digest(known[0])[:16] if known else "", _md5(info))


def _md5(info: Mapping[str, Any]) -> str:
    """S3's ETag is the MD5 of what came in one piece; of several it has a dash, and of what S3 encrypts it is another
    thing, which equals no MD5."""
    if info.get("md5Hash"):
        return base64.b64decode(str(info["md5Hash"])).hex()
    tag = str(info.get("ETag", "")).strip('"')
    return tag if re.fullmatch(r"[0-9a-f]{32}", tag) else ""


def _fs(path: Path) -> Any:
    """fsspec's file system of a path."""
    return cast(Any, path).fs


def _name(path: Path) -> str:
    """What the file system calls a path."""
    return str(cast(Any, path).path)
