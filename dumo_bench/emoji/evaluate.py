"""Is every prompt drawn, and recognised? `python -m dumo_bench.emoji.evaluate` prints the quality table of emoji-sd.

The judge is first tried on real pictures that it was not trained on, then on what the model draws for every object
in every style. Real pictures need the drawings (npm); without them their rows are dashes.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dumo_bench import progress
from dumo_bench.emoji import WEIGHTS, captions, draw, world

STEPS, GUIDANCE, SCHEDULER, BATCH = 20, 2.5, "dpm++", 16


def judged(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Top object and top style (n,) of pictures (n, 3, 64, 64) uint8."""
    from transformers import ResNetForImageClassification

    judge = ResNetForImageClassification.from_pretrained(WEIGHTS / "judge", dtype=torch.float32).eval()
    split = len(world.OBJECTS) + 1
    with torch.no_grad():
        logits = torch.cat([judge(p.float() / 127.5 - 1).logits for p in torch.split(pictures, 256)])
    return logits[:, :split].argmax(1), logits[:, split:].argmax(1)


def real(work: Path) -> dict[str, float]:
    """Top-1 on fresh augmentations."""
    data = draw.pictures(work, 4, seed=99)
    thing, style = judged(data["picture"])
    right = {"object": thing == data["object"], "style": style == data["style"]}
    return {name: float(hit.float().mean()) for name, hit in right.items()}


def drawn(host: Any, seeds: Sequence[int], objects: Sequence[int]) -> tuple[Tensor, Tensor, Tensor, float]:
    """Pictures (n, 3, 64, 64) uint8 of objects x styles x seeds, their object and style, and seconds a picture."""
    from functools import partial

    from dumo_bench.hosts import sample, sd
    from dumo_bench.types import Draw, Job, Recipe, Sampling

    contract = Sampling("emoji-sd", SCHEDULER, STEPS, GUIDANCE, world.SIZE, world.SIZE)
    recipe = Recipe("original", "1", {}, (), 0, host.hash)
    rows = [(o, s, seed) for o in objects for s in range(len(world.STYLES)) for seed in seeds]
    jobs = [
        Job(recipe, f"{captions.article(world.OBJECTS[o])} in {list(world.STYLES)[s]} style", Draw(seed), contract)
        for o, s, seed in rows
    ]
    began, parts = time.monotonic(), []
    for i in progress.track(range(0, len(jobs), BATCH), "draw"):
        parts.append(sample.sample(host, partial(sd.stock_guide, host), jobs[i : i + BATCH])[0])
    each = (time.monotonic() - began) / len(jobs)
    thing, style = (torch.tensor([row[i] for row in rows]) for i in (0, 1))
    return torch.cat(parts).permute(0, 3, 1, 2), thing, style, each


def grid(pictures: Tensor, path: Path, across: int) -> None:
    """The pictures in rows of `across`."""
    from torchvision.utils import save_image

    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(pictures.float() / 255, path, nrow=across, padding=1)


def table(found: dict[str, float], seen: dict[str, float], n: int, each: float) -> str:
    """Markdown."""
    share = {k: f"{100 * v:.1f} %" for k, v in found.items()}
    rows = [
        ("judge on fresh real pictures, object", share.get("object", "-"), "99 %"),
        ("judge on fresh real pictures, style", share.get("style", "-"), "99 %"),
        (f"model, every object and style, object (n = {n})", f"{100 * seen['object']:.1f} %", "90 %"),
        (f"model, every object and style, style (n = {n})", f"{100 * seen['style']:.1f} %", "95 %"),
        (f"seconds a picture, batches of {BATCH}, {torch.get_num_threads()} threads", f"{each:.3f}", "0.25"),
    ]
    head = f"| {SCHEDULER}, {STEPS} steps, guidance {GUIDANCE} | found | wanted |\n|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def weakest(right: Tensor, labels: Tensor, names: Sequence[str], most: int = 8) -> str:
    """The names that are recognised least often."""
    rates = [(float(right[labels == i].float().mean()), name) for i, name in enumerate(names) if (labels == i).any()]
    return ", ".join(f"{name} {100 * rate:.0f} %" for rate, name in sorted(rates)[:most])


def main() -> None:
    from dumo_bench.hosts import sd

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("build/emoji"), help="where the drawings are kept")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--every", type=int, default=1, help="only every n-th object")
    parser.add_argument("--grid", type=Path, default=Path("docs/emoji-sd.png"))
    options = parser.parse_args()
    progress.listen(logging.INFO)
    try:
        found = real(options.work)
    except (OSError, ImportError) as error:
        print(f"no real pictures ({error})")
        found = {}
    objects = range(0, len(world.OBJECTS), options.every)
    pictures, thing, style, each = drawn(sd.load("emoji-sd"), range(options.seeds), objects)
    top = judged(pictures)
    right = {"object": top[0] == thing, "style": top[1] == style}
    print(table(found, {k: float(v.float().mean()) for k, v in right.items()}, len(thing), each))
    print("objects seen least:", weakest(right["object"], thing, world.OBJECTS))
    print("styles:", weakest(right["style"], style, list(world.STYLES)))
    grid(pictures[:: options.seeds], options.grid, across=4 * len(world.STYLES))


if __name__ == "__main__":
    main()
