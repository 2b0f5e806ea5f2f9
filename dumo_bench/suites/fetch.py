"""Prompt files into the user's cache, from their origin or from a file that is there; only the right bytes get in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dumo_bench.errors import UserError
from dumo_bench.storage import files
from dumo_bench.suites.source import Source, cache, command, verify

_MOST = 2**28  # bytes: whatever an address sends, memory is not filled
_PATIENCE = 30  # seconds without a byte
Check = Callable[[bytes, str], object]


def fetch(source: Source, suite: str, given: Path | None, check: Check) -> tuple[Path, str]:
    """The cached file, and where its bytes came from: `given` (a file or a folder), else the origin's addresses.

    `check` raises UserError for bytes that do not read as the suite says; nothing is written then.
    """
    raw, origin = _given(source, given) if given is not None else _downloaded(source, suite)
    verify(raw, source, origin)
    check(raw, origin)
    place = cache() / source.file
    return files.write_bytes(place, raw), origin


def _given(source: Source, given: Path) -> tuple[bytes, str]:
    if given.is_file():
        return given.read_bytes(), str(given)
    if not given.is_dir():
        raise UserError(f"--from {given}: no such file or folder")
    if (given / source.file).is_file():
        return (given / source.file).read_bytes(), str(given / source.file)
    for path in sorted(p for p in given.iterdir() if p.is_file() and p.stat().st_size == source.bytes):
        raw = path.read_bytes()
        if files.sha256_of([raw]) == source.sha256:  # the same list under the name of another repository
            return raw, str(path)
    raise UserError(f"--from {given}: there is no {source.file} in this folder, nor its bytes under another name")


def _downloaded(source: Source, suite: str) -> tuple[bytes, str]:
    """From the first address that answers."""
    if not source.urls:
        raise UserError(f"{source.file}: the suite states no address; type `{command(suite)} --from FILE`")
    from http.client import HTTPException

    why = []
    for url in source.urls:
        try:
            return download(url), url
        except (OSError, HTTPException) as error:  # URLError is an OSError
            why.append(f"{url}: {getattr(error, 'reason', None) or error}")
    raise UserError(
        f"{source.file} cannot be fetched ({'; '.join(why)}): get it elsewhere and type `{command(suite)} --from FILE`"
    )


def download(url: str) -> bytes:
    """What an http(s) address sends, whole; a file of the hub has such an address too (.../resolve/REVISION/PATH)."""
    from http.client import IncompleteRead
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        raise UserError(f"{url}: wanted an address that starts with https://")
    with urlopen(Request(url, headers={"User-Agent": "dumo-bench"}), timeout=_PATIENCE) as answer:
        raw: bytes = answer.read(_MOST + 1)
        promised = int(answer.headers.get("Content-Length") or 0)
    if len(raw) > _MOST:
        raise UserError(f"{url} sends more than {_MOST:,} bytes: this is no prompt file")
    if len(raw) < promised:  # a read of so many bytes does not tell that the connection broke off
        raise IncompleteRead(raw, promised - len(raw))
    return raw
