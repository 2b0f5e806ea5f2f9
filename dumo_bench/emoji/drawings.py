"""All drawings of all artists in one file: `python -m dumo_bench.emoji.drawings FOLDER` fetches and packs them.

Training on another machine needs no network and no rasteriser then, only the file.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dumo_bench.emoji import svg, world
from dumo_bench.emoji.artists import ARTISTS, HELD_OUT, drawn
from dumo_bench.emoji.draw import ICON

FILE = "drawings.npz"


@dataclass(frozen=True, slots=True)
class Drawings:
    """rgba (n, 4, 128, 128) uint8; object and artist (n,) long; artists by name, the host's styles first."""

    rgba: Tensor
    object: Tensor
    artist: Tensor
    names: tuple[str, ...]

    def only(self, names: frozenset[str]) -> Drawings:
        """The drawings of these artists."""
        rows = torch.tensor([self.names[a] in names for a in self.artist.tolist()], device=self.artist.device)
        return Drawings(self.rgba[rows], self.object[rows], self.artist[rows], self.names)

    def to(self, device: str) -> Drawings:
        """The same on a device."""
        return Drawings(self.rgba.to(device), self.object.to(device), self.artist.to(device), self.names)

    def styles(self) -> Tensor:
        """(objects, styles, 4, 128, 128) uint8: the host's own drawings."""
        own = self.only(frozenset(world.STYLES))
        order = (own.object * len(world.STYLES) + own.artist).argsort()
        return own.rgba[order].view(len(world.OBJECTS), len(world.STYLES), *own.rgba.shape[1:])


def trained_on(leave_out: frozenset[str] = frozenset()) -> frozenset[str]:
    """The artists that a training sees."""
    return frozenset((*world.STYLES, *ARTISTS)) - leave_out - {HELD_OUT}


def pack(folder: Path) -> Path:
    """Fetch every package and write the file: png bytes one after the other, their lengths, objects and artists."""
    pngs, rows, names = [], [], (*world.STYLES, *ARTISTS)
    for number, name in enumerate(names):
        for word, png in _pngs(name, folder / "npm"):
            pngs.append(png)
            rows.append((len(png), world.OBJECTS.index(word), number))
    table = np.array(rows, dtype=np.int32)
    path = folder / FILE
    np.savez(path, png=np.frombuffer(b"".join(pngs), np.uint8), table=table, names=np.array(names))
    return path


def _pngs(name: str, npm: Path) -> list[tuple[str, bytes]]:
    if name in world.STYLES:
        icons = svg.read(svg.fetch(svg.PACKS[world.STYLES[name]], npm))
        found = world.ICONS
    else:
        icons = svg.read(svg.fetch(ARTISTS[name].pack, npm))
        found = drawn(ARTISTS[name], icons)
    return [(word, _png(svg.rasterise(svg.markup(icons, icon), ICON))) for word, icon in found.items()]


def _png(picture: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "png", optimize=True)
    return out.getvalue()


def read(path: Path) -> Drawings:
    """The file as tensors."""
    from PIL import Image

    with np.load(path) as kept:
        blob, table, names = kept["png"].tobytes(), kept["table"], tuple(str(n) for n in kept["names"])
    ends = table[:, 0].astype(np.int64).cumsum()
    pictures = [
        np.asarray(Image.open(io.BytesIO(blob[end - size : end])).convert("RGBA"))
        for size, end in zip(table[:, 0].tolist(), ends.tolist(), strict=True)
    ]
    rgba = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()
    columns = torch.from_numpy(table.astype(np.int64))
    return Drawings(rgba, columns[:, 1].clone(), columns[:, 2].clone(), names)


if __name__ == "__main__":
    import sys

    print(pack(Path(sys.argv[1])))
