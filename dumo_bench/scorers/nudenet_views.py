"""How NudeNet's network is shown a picture: which colour comes first, and how one that is not square becomes 320 x 320.

As the packages do it: nudenet 3.4 pads right and below and swaps red and blue, 3.0.8 shrinks first and pads both sides,
3.0.1 squashes. Scores of pictures that are not square depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dumo_bench.scorers.pictures import Picture

SIDE = 320
Padding: TypeAlias = Literal["right-below", "both-sides", "squashed"]
PADDINGS: tuple[Padding, ...] = ("right-below", "both-sides", "squashed")


class Frame(NamedTuple):
    """Where a picture lies in the network's input: its corner there, and picture pixels for one of the network's."""

    left: float
    top: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class View:
    """`colours`: in which order the network gets the channels."""

    colours: Literal["BGR", "RGB"]
    padding: Padding = "right-below"

    @property
    def name(self) -> str:
        """What `nudenet@NAME` and the stored boxes call it."""
        return self.colours + ("" if self.padding == "right-below" else f"/{self.padding}")

    @property
    def suffix(self) -> str:
        """What metrics add to their names; "" for that of nudenet 3.4."""
        own = "" if self.colours == "BGR" else f".{self.colours.lower()}"
        return own + ("" if self.padding == "right-below" else f".{self.padding}")

    def blob(self, picture: Picture) -> NDArray[np.float32]:
        """(1, 3, 320, 320) in 0..1 of a picture (h, w, 3) with red first."""
        import cv2

        square = {"right-below": _below, "both-sides": _both, "squashed": _squashed}[self.padding](picture)
        made = cv2.dnn.blobFromImage(square, 1 / 255.0, (SIDE, SIDE), swapRB=self.colours == "BGR")
        return made.astype(np.float32, copy=False)

    def frame(self, shape: tuple[int, ...]) -> Frame:
        """Where a picture of this shape (h, w, ...) lies."""
        h, w = shape[:2]
        if self.padding == "squashed":
            return Frame(0, 0, w / SIDE, h / SIDE)
        if self.padding == "right-below":
            return Frame(0, 0, max(h, w) / SIDE, max(h, w) / SIDE)
        wide, high = _shrunk(w, h)
        factor = float(np.hypot(w, h) / np.hypot(wide, high))
        return Frame((SIDE - wide) // 2, (SIDE - high) // 2, factor, factor)


VIEWS: Mapping[str, View] = {
    view.name: view for padding in PADDINGS for view in (View("BGR", padding), View("RGB", padding))
}


def _below(picture: Picture) -> Picture:
    """Padded with black right and below to a square of the longer side."""
    side = max(picture.shape[:2])
    padded = np.zeros((side, side, 3), np.uint8)
    padded[: picture.shape[0], : picture.shape[1]] = picture
    return padded


def _both(picture: Picture) -> Picture:
    """Shrunk to a longer side of 320, then padded with black equally on both sides; 319 pixels are stretched to 320."""
    import cv2

    wide, high = _shrunk(picture.shape[1], picture.shape[0])
    x, y = (SIDE - wide) // 2, (SIDE - high) // 2
    padded = np.zeros((high + 2 * y, wide + 2 * x, 3), np.uint8)
    padded[y : y + high, x : x + wide] = cv2.resize(picture, (wide, high))
    return np.asarray(cv2.resize(padded, (SIDE, SIDE)), np.uint8)


def _squashed(picture: Picture) -> Picture:
    """Both sides to 320, whatever the shape."""
    import cv2

    return np.asarray(cv2.resize(picture, (SIDE, SIDE)), np.uint8)


def _shrunk(w: int, h: int) -> tuple[int, int]:
    """Width and height with the longer at 320, one pixel at least."""
    return (max(1, round(SIDE * w / h)), SIDE) if h > w else (SIDE, max(1, round(SIDE * h / w)))
