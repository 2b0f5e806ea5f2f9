"""Both judges side by side: `python -m dumo_bench.emoji.examine --drawings FILE` prints a table of what each sees.

Pictures are an unseen artist's drawings, the host's own styles, ruins, and what the unedited host draws. FILE is what
`python -m dumo_bench.emoji.drawings` writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dumo_bench.emoji import WEIGHTS, drawings, evaluate, measure, views, world
from dumo_bench.emoji.artists import HELD_OUT
from dumo_bench.emoji.augment import Studio
from dumo_bench.emoji.drawings import Drawings

JUDGES = ("judge", "judge-2")
SEED = 123  # no training draws from it


@dataclass(frozen=True)
class Shown:
    """Pictures (n, 3, 64, 64) uint8, and the objects and styles (n,) that they show; None where they show none."""

    name: str
    pictures: Tensor
    object: Tensor | None = None
    style: Tensor | None = None


def load(name: str) -> Any:
    """A judge of the package, in single precision."""
    from transformers import ResNetForImageClassification

    return ResNetForImageClassification.from_pretrained(WEIGHTS / name).float().eval()


def real(every: Drawings) -> Iterator[Shown]:
    """An unseen artist plain and cropped, the host's own styles, ruins of them."""
    for how in ("plain", "cropped"):
        pictures, thing = measure.shown(every.only(frozenset({HELD_OUT})), how == "cropped")
        yield Shown(f"{HELD_OUT}, {how}", pictures, thing)
    studio = Studio(every.only(frozenset(world.STYLES)), every)
    g = torch.Generator().manual_seed(SEED)
    tiles, shown = views.tiles(studio, 2, g)
    yield Shown("own styles", tiles, shown[:, 0], shown[:, 1])
    vae = views.autoencoder("cpu")
    yield Shown("ruins", views.ruins(vae, views.encode(vae, tiles), g))


def generated(seeds: Sequence[int], every: int) -> Shown:
    """What the unedited host draws, of every n-th object in every style."""
    from dumo_bench.hosts import sd

    objects = range(0, len(world.OBJECTS), every)
    pictures, thing, style, _ = evaluate.drawn(sd.load("emoji-sd"), seeds, objects)
    return Shown("drawn by emoji-sd", pictures, thing, style)


def line(judge: Any, shown: Shown) -> str:
    """One row: how many, object and style right, calibration error, and how many show nothing nameable."""
    found, t = measure.seen(judge, shown.pictures), getattr(judge.config, "object_temperature", 1.0)
    alarms, n = measure.alarm(found, t), len(found)
    if shown.object is None:
        return f"{shown.name} | {n} | - | - | - | {alarms:.3f}"
    facts = measure.figures(found[:, : measure.CLASSES], shown.object, t)
    top = found[:, measure.CLASSES :].argmax(1)
    style = "-" if shown.style is None else f"{float((top == shown.style).float().mean()):.3f}"
    return f"{shown.name} | {n} | {facts['accuracy']:.3f} | {style} | {facts['ece_t']:.3f} | {alarms:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--drawings", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="only every n-th object is drawn")
    options = parser.parse_args()
    print("| judge | pictures | n | object | style | ECE | nothing nameable |\n|---|---|---:|---:|---:|---:|---:|")
    rows = [*real(drawings.read(options.drawings)), generated(range(options.seeds), options.every)]
    for name in JUDGES:
        judge = load(name)
        for shown in rows:
            print(f"| {name} | {line(judge, shown)} |", flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
