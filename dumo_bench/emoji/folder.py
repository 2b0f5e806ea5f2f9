"""Real drawings with captions, to fine-tune on: `python -m dumo_bench.emoji.folder FOLDER --without ghost` makes them.

The pictures that emoji-sd was trained on, of all objects but some, in all styles, in the layout of `kit/captioned.py`:
`dumo-bench relearn --relearn-set data=FOLDER/pictures` reads them. Node's npm fetches the drawings.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from pathlib import Path

import torch

from dumo_bench.emoji import captions, draw, world


def make(folder: Path, without: Collection[str], copies: int, seed: int) -> Path:
    """Write `copies` pictures of every object and style; each is captioned by its own object's name."""
    from PIL import Image

    made, g = draw.pictures(folder, copies, seed), torch.Generator().manual_seed(seed)
    out, lines = folder / "pictures", []
    out.mkdir(parents=True, exist_ok=True)
    rows = zip(*(made[name].tolist() for name in ("object", "style", "background")), strict=True)
    for number, (o, style, background) in enumerate(rows):
        if (word := world.OBJECTS[o]) in without:
            continue
        template = captions.TEMPLATES[int(torch.randint(len(captions.TEMPLATES), (), generator=g))]
        text = captions.fill(template, captions.article(word), word, style, background)
        Image.fromarray(made["picture"][number].permute(1, 2, 0).numpy()).save(out / f"{number:05d}.png")
        lines.append(json.dumps({"file_name": f"{number:05d}.png", "text": text}))
    (out / "metadata.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", nargs="*", default=["ghost"], choices=world.OBJECTS, metavar="OBJECT")
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(make(asked.folder, asked.without, asked.copies, asked.seed))
