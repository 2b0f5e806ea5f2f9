"""Features of pictures and texts, made once: remembered in this process; of pictures, by content, in the user's cache.

A picture is known by the sha256 of its file, an extractor by its name, the hash of its weights and its device. So a
picture that is made again gets new features, and a copy of it under another name does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dumo_bench.errors import UserError
from dumo_bench.scorers.pictures import CHUNK, Picture, read_all
from dumo_bench.storage import files
from dumo_bench.types import digest

Features = NDArray[np.float32]
Make = Callable[[Sequence[Picture]], Features]
T = TypeVar("T")
BATCH = 16  # pictures that pass a network at once
LAYOUT = "1"  # of the files; and of how pictures are prepared: a change there is a change here

_MADE: dict[str, dict[str, Features]] = {}  # extractor -> picture -> (d,)
_READ_TEXTS: dict[str, dict[str, Features]] = {}  # the same of texts


def of_pictures(extractor: str, paths: Sequence[Path], pictures: Sequence[Picture], make: Make) -> Features:
    """Features (n, d) of pictures that are read already; `make` is asked for those that are not known."""
    known = _MADE.setdefault(extractor, {})
    keys = [files.fingerprint(path) for path in paths]
    new = {key: picture for key, picture in zip(keys, pictures, strict=True) if key not in known}
    if new:
        known.update(zip(new, full(make, list(new.values())), strict=True))
    return np.stack([known[key] for key in keys])


def of_texts(
    extractor: str,
    texts: Sequence[str],
    make: Callable[[Sequence[str]], Features],
    lengths: Callable[[Sequence[str]], Sequence[int]],
) -> Features:
    """Features (n, d) of texts; `make` is asked for those that are not known, one padded length at a time."""
    known = _READ_TEXTS.setdefault(extractor, {})
    new = [text for text in dict.fromkeys(texts) if text not in known]
    alike: dict[int, list[str]] = {}
    for text, length in zip(new, lengths(new) if new else (), strict=True):
        alike.setdefault(length, []).append(text)
    for some in alike.values():
        known.update(zip(some, full(make, some), strict=True))
    return np.stack([known[text] for text in texts])


def full(make: Callable[[Sequence[T]], Features], things: Sequence[T]) -> Features:
    """Features (n, d) of pictures or texts, made in batches of one size, the last one filled up with its last one.

    Libraries round differently in batches of another size, and which ones are new differs from run to run.
    """
    made = []
    for start in range(0, len(things), BATCH):
        batch = [*things[start : start + BATCH]]
        filling = [batch[-1]] * (BATCH - len(batch))
        made.append(make([*batch, *filling])[: len(batch)])
    return np.concatenate(made)


def of_files(extractor: str, paths: Sequence[Path], make: Make) -> tuple[Features, int]:
    """Features (n, d) of the readable files, in order, and the number of the others; new ones are kept on disk."""
    known = _recalled(extractor)
    keys = {path: files.fingerprint(path) for path in dict.fromkeys(paths) if path.is_file()}
    todo = {key: path for path, key in keys.items() if key not in known}
    try:
        for start in range(0, len(todo), CHUNK):
            keys_now = list(todo)[start : start + CHUNK]
            read = zip(keys_now, read_all([todo[key] for key in keys_now]), strict=True)
            good = {key: picture for key, picture in read if not isinstance(picture, str)}
            if good:
                known.update(zip(good, full(make, list(good.values())), strict=True))
    finally:
        _keep(extractor, {key: known[key] for key in todo if key in known})
    found = [known[keys[path]] for path in paths if keys.get(path) in known]
    return np.stack(found) if found else np.zeros((0, 0), np.float32), len(paths) - len(found)


def folder(extractor: str) -> Path:
    """Where an extractor's features lie; it may be deleted at any time."""
    return files.cache() / "features" / LAYOUT / re.sub(r"[^\w.-]|\.$", "_", extractor.replace(" ", "-"))


def _recalled(extractor: str) -> dict[str, Features]:
    """What is known of an extractor's features; the disk is read at its first use in a process."""
    from safetensors.numpy import load_file

    if extractor not in _READ:
        _READ.add(extractor)
        known = _MADE.setdefault(extractor, {})
        for path in sorted(folder(extractor).glob("*.safetensors")):
            try:
                tensors = load_file(path)
                names = [bytes(row).hex() for row in tensors["pictures"]]
                known.update(zip(names, tensors["features"], strict=True))
            except Exception:  # whatever a broken cache file raises: its features are made again
                path.unlink(missing_ok=True)
    return _MADE[extractor]


_READ: set[str] = set()


def _keep(extractor: str, new: Mapping[str, Features]) -> None:
    """Write new features; a cache that cannot be written is none."""
    from safetensors.numpy import save

    if not new:
        return
    path = folder(extractor) / f"{digest(sorted(new))[:16]}.safetensors"
    names = np.array([list(bytes.fromhex(key)) for key in new], np.uint8)
    with suppress(OSError, UserError):
        files.write_bytes(path, save({"pictures": names, "features": np.stack(list(new.values())).astype(np.float32)}))
