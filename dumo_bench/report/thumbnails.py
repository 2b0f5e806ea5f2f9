"""Small copies of pictures that a page carries inside: as large as a budget allows, all of one size."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from dumo_bench.progress import track

BUDGET = 11_000_000  # bytes of base64; with Vega-Lite and the tables a page stays under 15 MB
_MANY = 2000  # pictures; of fewer no progress is shown
_SAMPLE = 48  # pictures by which a size is chosen


class Size(NamedTuple):
    """The longer side in pixels, and WebP's quality."""

    side: int
    quality: int


SIZES = (
    Size(192, 70),
    Size(160, 55),
    Size(128, 45),
    Size(112, 32),
    Size(96, 32),
    Size(80, 35),
    Size(64, 40),
    Size(48, 40),
)


class Small(NamedTuple):
    """The copies, base64 of WebP; "" of a picture that cannot be read, or for which there was no room. left_out: how
    many those are."""

    copies: list[str]
    left_out: int


def inside(pictures: Sequence[Callable[[], Path | None]], budget: int = BUDGET) -> Small:
    """Copies of pictures, the most important first: the largest size at which all fit, else as many of the smallest.

    A picture is looked for when it is its turn: `pictures` say where, None: there is none.
    """
    few = pictures[:: max(1, len(pictures) // _SAMPLE)]
    for size in SIZES[:-1]:
        if fmean([len(one) for one in _encoded(few, size)] or [0]) * len(pictures) <= 0.95 * budget:
            copies = _encoded(pictures, size)
            if sum(map(len, copies)) <= budget:
                return Small(copies, 0)
    mean = max(1.0, fmean([len(one) for one in _encoded(few, SIZES[-1])]))
    return _cut(_encoded(pictures[: int(1.1 * budget / mean) + 1], SIZES[-1]), len(pictures), budget)


def _cut(copies: list[str], n: int, budget: int) -> Small:
    """The first of them that fit."""
    room, kept = budget, []
    for one in copies:
        room -= len(one)
        kept.append(one if room >= 0 else "")
    left_out = n - len(copies) + sum(1 for one, whole in zip(kept, copies, strict=True) if whole and not one)
    return Small(kept + [""] * (n - len(copies)), left_out)


def _encoded(pictures: Sequence[Callable[[], Path | None]], size: Size) -> list[str]:
    """In threads: Pillow decodes and encodes without the interpreter's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = pool.map(partial(_text, size=size), pictures)
        return list(track(made, "small copies", len(pictures) if len(pictures) >= _MANY else 0))


def _text(picture: Callable[[], Path | None], size: Size) -> str:
    return base64.b64encode(webp(picture(), size)).decode()


def webp(path: Path | None, size: Size) -> bytes:
    """A picture as WebP, no larger than a size; nothing when there is none or it cannot be read."""
    from PIL import Image

    if path is None:
        return b""
    try:
        with Image.open(path) as picture:
            picture.load()
            small = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # all that Pillow says of a broken PNG
        return b""
    small.thumbnail((size.side, size.side))
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=size.quality, method=4)
    return stream.getvalue()
