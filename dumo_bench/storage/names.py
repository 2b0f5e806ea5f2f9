"""Names that become names of files: bounded, so that a case of a hundred concepts can be written down."""

from __future__ import annotations

from dumo_bench.types import digest

MOST = 150  # bytes; a file system holds 255, of which endings and partial files take some


def bounded(name: str, most: int = MOST) -> str:
    """The name, or where it is too long its beginning and a hash of the whole."""
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) <= most:
        return name
    return f"{raw[: most - 13].decode(errors='ignore')}-{digest(name)[:12]}"


def plain(name: str, most: int = MOST) -> str:
    """Letters and digits of ASCII with "-" for the rest; where that loses letters of another script, with a hash."""
    said = "".join(char if char.isascii() and char.isalnum() else "-" for char in name)
    return bounded(said if name.isascii() else f"{said}-{digest(name)[:8]}", most)
