"""What outlasts a loss of power: the content of a file before its name, and a name with the folder that holds it.

A system writes to the disk when it likes, and in which order it likes; `fsync` waits until something is there. So
content, rename and folder are three steps in this order (https://man7.org/linux/man-pages/man2/fsync.2.html). What it
costs is measured in benchmarks/durable.py.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

#: what a file system answers that cannot wait for a folder, or a folder that may be written and not read
_CANNOT = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)


def content(stream: IO[bytes]) -> None:
    """Wait until all that was written to a stream is on the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk. Windows has no way to ask for it."""
    if os.name == "nt":
        return
    try:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise


def make(folder: Path) -> None:
    """Make a folder and those above it, unless they are there; those that are made are on the disk."""
    if not folder.is_dir():
        make(folder.parent)
        folder.mkdir(exist_ok=True)
        names(folder.parent)
