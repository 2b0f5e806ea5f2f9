"""Where the user's cache and the package's own data lie, and the hash of a file."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


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


def sha256(path: Path) -> str:
    """In hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
