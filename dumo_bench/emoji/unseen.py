"""The model that never saw the ghost, and its twin: `python -m dumo_bench.emoji.unseen FOLDER` makes two model folders.

Their U-Nets are kept in eight bits, a scale for each output channel, in results/hosts; all else is emoji-sd's own.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dumo_bench.emoji import WEIGHTS, timed, train_unet
from dumo_bench.storage import files

KEPT = Path(__file__).parents[2] / "results" / "hosts" / "emoji-sd-without-ghost.safetensors"
NAMES = ("unseen", "twin")
_SCALE = ".scale"
_MOST = 127


def packed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and kernels as int8 with a scale (n,) for their n output channels beside them; vectors as they are."""
    found = {}
    for name, w in tensors.items():
        if w.ndim < 2:
            found[name] = w.half()
            continue
        scale = (w.float().flatten(1).abs().amax(1) / _MOST).clamp_min(1e-8)
        found[name] = (w.float() / _along(scale, w)).round().to(torch.int8)
        found[name + _SCALE] = scale
    return found


def unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse, but for rounding: at most half a scale."""
    names = [name for name in tensors if not name.endswith(_SCALE)]
    return {name: _whole(tensors[name], tensors.get(name + _SCALE)) for name in names}


def _whole(w: Tensor, scale: Tensor | None) -> Tensor:
    return w.float() if scale is None else w.float() * _along(scale, w)


def _along(scale: Tensor, w: Tensor) -> Tensor:
    return scale.view(-1, *[1] * (w.ndim - 1))


def pack(weights: Path, out: Path = KEPT) -> Path:
    """Keep what `train_unseen` left."""
    from safetensors.torch import save

    tensors, facts = timed.kept(weights)
    return files.write_bytes(out, save(packed(tensors), {"format": "pt", **facts}))


def install(out: Path, kept: Path = KEPT) -> list[Path]:
    """Two model folders in half precision, each with the host's other parts beside its own U-Net."""
    from safetensors.torch import load_file

    tensors = unpacked(load_file(kept))
    return [_folder(out / name, tensors, f"{name}.") for name in NAMES]


def _folder(place: Path, tensors: Mapping[str, Tensor], prefix: str) -> Path:
    unet = train_unet.make()
    unet.load_state_dict({k.removeprefix(prefix): w for k, w in tensors.items() if k.startswith(prefix)})
    parts = json.loads((WEIGHTS / "model_index.json").read_text(encoding="utf-8"))
    place.mkdir(parents=True, exist_ok=True)
    for part in (part for part in parts if part != "unet" and (WEIGHTS / part).is_dir()):
        shutil.copytree(WEIGHTS / part, place / part, dirs_exist_ok=True)
    unet.half().save_pretrained(place / "unet")
    for file in ("model_index.json", "plans.toml"):  # it is to be edited as the host is
        shutil.copy(WEIGHTS / file, place)
    return place


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the two model folders are made in it")
    parser.add_argument("--keep", type=Path, help="what `train_unseen` left: keep it in results/hosts first")
    options = parser.parse_args()
    if options.keep:
        print(pack(options.keep))
    for made in install(options.folder):
        print(made)
