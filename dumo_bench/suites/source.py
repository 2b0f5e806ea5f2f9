"""A published prompt file: what it is called, where it may lie, and how the right one is told from another."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.storage import files
from dumo_bench.suites.checks import Refused, keys, typed, words

FOLDER = "DUMO_BENCH_PROMPTS"  # names a folder that is searched directly
SOURCE_KEYS = ("file", "sha256", "rows", "bytes", "urls")


@dataclass(frozen=True, slots=True)
class Source:
    """A file by name. `rows` are data rows, without the header; sha256 "" and rows 0 are not known (a user's own file).

    `urls` all lead to the same bytes; `beside` is the folder of the suite that names the file.
    """

    file: str
    sha256: str = ""
    rows: int = 0
    bytes: int = 0
    urls: tuple[str, ...] = ()
    beside: Path = Path()


def parse(data: Mapping[str, Any], beside: Path) -> Source:
    """The source that a table of a suite's file states."""
    keys("csv", data, SOURCE_KEYS)
    if not data.get("file"):
        raise Refused("csv", "[csv] lacks 'file'")
    found = Source(
        file=typed(data, "file", str),
        sha256=typed(data, "sha256", str, "").lower(),
        rows=typed(data, "rows", int, 0),
        bytes=typed(data, "bytes", int, 0),
        urls=words(data.get("urls", []), "urls"),
        beside=beside,
    )
    if Path(found.file).name != found.file:
        raise Refused("file", f"file is a name without folders, got {found.file!r}")
    if found.sha256 and not re.fullmatch(r"[0-9a-f]{64}", found.sha256):
        raise Refused("sha256", f"sha256 is 64 hexadecimal digits, got {found.sha256!r}")
    return found


def cache() -> Path:
    """Where fetched prompt files are kept."""
    return files.cache() / "prompts"


def places(source: Source) -> Iterator[Path]:
    """Where the file may lie, in the order in which it is looked for."""
    yield source.beside / source.file
    if os.environ.get(FOLDER):
        yield Path(os.environ[FOLDER]) / source.file
    yield cache() / source.file


def find(source: Source) -> Path | None:
    """The first place that has the file."""
    return next((place for place in places(source) if place.is_file()), None)


def read(source: Source, suite: str) -> tuple[Path, bytes]:
    """The file of a suite and its bytes, which have the stated hash."""
    place = find(source)
    if place is None:
        raise UserError(f"suite {suite!r}: {missing(source, suite)}")
    raw = place.read_bytes()
    verify(raw, source, place)
    return place, raw


def missing(source: Source, suite: str) -> str:
    """What to type when the file is nowhere."""
    what = f"{source.file} ({source.rows:,} rows)" if source.rows else source.file
    if source.urls:
        return f"{what} is not on this machine: type `{command(suite)}`"
    return f"{what} is not on this machine: put it beside the suite's file, or into the folder that {FOLDER} names"


def command(suite: str) -> str:
    return f"dumo-bench prompts fetch {suite}"


def verify(raw: bytes, source: Source, place: Path | str) -> None:
    """Refuse bytes of another hash; both hashes are shown."""
    got = files.sha256_of([raw])
    if source.sha256 and got != source.sha256:
        here = f"; take it away, or put the right one in its place ({FOLDER} is searched before the user's cache)"
        raise UserError(
            f"{place} is not the {source.file} that the suite states: sha256 {got}, wanted {source.sha256}"
            + (here if place in list(places(source)) else "")
        )
