"""Features of pictures by a CLIP in a local folder, made once in a process: fid, kid and likeness share them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dumo_bench.scorers import weights
from dumo_bench.scorers.pictures import CHUNK, Picture, as_input, read_or_reason
from dumo_bench.types import UserError

Features = NDArray[np.float32]
_MADE: dict[tuple[Path, str, Path, int, int], Features] = {}


@dataclass(frozen=True)
class Extractor:
    """A CLIP's projected picture features, each scaled to length sqrt(d).

    So scaled, x.y/d is the cosine, which is what KID's kernel expects: coordinates of size about 1. `folder` is
    written by save_pretrained; `real` holds the features of real pictures, tensor "clip" (n, d).
    """

    folder: Path = weights.CLIP
    real: Path = weights.REAL
    device: str = "auto"

    @property
    def name(self) -> str:
        """What metrics are called after."""
        return "emojiclip" if self.folder == weights.CLIP else self.folder.name

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return f"{self.name} {weights.sha12(self.folder)}"

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.missing(self.folder) or weights.missing(self.real)

    def of(self, paths: Iterable[Path]) -> tuple[Features, int]:
        """Features (n, d) of the readable pictures, in order, and the number of the others."""
        wanted = list(paths)
        device = weights.device(self.device)
        keys = [_key(self.folder, device, path) for path in wanted]
        todo = [(key, path) for key, path in zip(keys, wanted, strict=True) if key is not None and key not in _MADE]
        for start in range(0, len(todo), CHUNK):
            _make(self.folder, device, dict(todo[start : start + CHUNK]))
        found = [_MADE[key] for key in keys if key in _MADE]
        return np.stack(found) if found else np.zeros((0, 0), np.float32), len(wanted) - len(found)

    def real_features(self) -> Features:
        """Features (n, d) of real pictures, scaled alike."""
        return _real(weights.require(self.real))


def _key(folder: Path, device: str, path: Path) -> Any:
    """What a picture's features are remembered by; None when there is no picture."""
    if not path.is_file():
        return None
    found = path.stat()
    return folder, device, path, found.st_mtime_ns, found.st_size


def _make(folder: Path, device: str, wanted: dict[Any, Path]) -> None:
    read = {key: read_or_reason(path) for key, path in wanted.items()}
    good = {key: picture for key, picture in read.items() if not isinstance(picture, str)}
    if good:
        _MADE.update(zip(good, scaled(picture_vectors(list(good.values()), folder, device)), strict=True))


@cache
def _real(path: Path) -> Features:
    from safetensors.numpy import load_file

    return scaled(load_file(path)["clip"].astype(np.float32))


def scaled(x: NDArray[np.float32]) -> Features:
    """Rows of x (n, d) brought to length sqrt(d)."""
    rows: Features = x / np.linalg.norm(x, axis=1, keepdims=True) * np.float32(x.shape[1] ** 0.5)
    return rows


def picture_vectors(pictures: Sequence[Picture], folder: Path, device: str) -> NDArray[np.float32]:
    """(n, d): the projected features of pictures, as the model gives them."""
    import torch

    model, _, prepare = load_clip(folder, device)
    with torch.inference_mode():
        found = model.get_image_features(pixel_values=prepare(pictures))
    return _vectors(found)


def text_vectors(ids: Any, folder: Path, device: str) -> NDArray[np.float32]:
    """(n, d): the projected features of tokenised texts, as the model gives them."""
    import torch

    model, _, _ = load_clip(folder, device)
    with torch.inference_mode():
        found = model.get_text_features(**{name: ids[name].to(device) for name in ("input_ids", "attention_mask")})
    return _vectors(found)


def _vectors(found: Any) -> NDArray[np.float32]:
    """transformers 5 wraps the projected features in an output, 4 gives the tensor."""
    vectors: NDArray[np.float32] = getattr(found, "pooler_output", found).float().cpu().numpy()
    return vectors


@cache
def load_clip(folder: Path, device: str) -> tuple[Any, Any, Any]:
    """(model, tokenizer, prepare): prepare turns pictures into what the model takes."""
    from transformers import CLIPModel, CLIPTokenizer

    model = weights.load(CLIPModel, folder, device)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise UserError(f"{folder}: the tokenizer is missing; save the model's CLIPTokenizer there")
    tokens = CLIPTokenizer.from_pretrained(folder)
    if (folder / "preprocessor_config.json").is_file():
        from transformers import CLIPImageProcessor

        processor = CLIPImageProcessor.from_pretrained(folder)

        def prepare(pictures: Sequence[Picture]) -> Any:
            return processor(images=list(pictures), return_tensors="pt")["pixel_values"].to(device)

        return model, tokens, prepare
    if folder != weights.CLIP:  # another model's mean and size cannot be guessed
        raise UserError(f"{folder}: preprocessor_config.json is missing; save the model's CLIPImageProcessor there")
    return model, tokens, lambda p: as_input(p, model.config.vision_config.image_size, device)
