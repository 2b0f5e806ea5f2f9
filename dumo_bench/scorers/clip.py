"""CLIPs of any origin behind one small interface: a folder, a hub id, or open_clip's names. Nothing is downloaded.

emoji, emoji-2, ViT-B/32                   names of this project, see NAMED
path/to/folder                             written by transformers' save_pretrained, or by open_clip
openai/clip-vit-large-patch14              what `hf download` has put into the hub's cache
open_clip:ViT-B-32/laion2b_s34b_b79k       an architecture of open_clip with a tag, or with a checkpoint's path
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dumo_bench.errors import UserError
from dumo_bench.scorers import memory, weights
from dumo_bench.scorers.pictures import Picture, as_input
from dumo_bench.storage import hub

Vectors: TypeAlias = NDArray[np.float32]
Spec: TypeAlias = str | Path

NAMED: dict[str, Spec] = {
    "emoji": weights.CLIP,
    "emoji-2": weights.CLIP2,  # no host's text encoder, and trained on many artists' drawings
    "ViT-B/32": "openai/clip-vit-base-patch32",
    "ViT-B/16": "openai/clip-vit-base-patch16",
    "ViT-L/14": "openai/clip-vit-large-patch14",
}
OPEN = "open_clip:"
STEP = 16  # texts are padded to a multiple of so many tokens
_EMBEDDED = {NAMED[name]: name for name in ("emoji", "emoji-2")}


@dataclass(frozen=True, eq=False)
class Clip:
    """`picture` and `text` give projected features (n, d) as the model does, not scaled; `scale` is exp(logit_scale).

    `text` may pad to less than `room`: attention looks back only, so what follows a text's end changes nothing.
    `tokens` counts the tokens of each text, its start and end included; beyond `room` they are cut.
    """

    weights: str
    scale: float
    room: int
    picture: Callable[[Sequence[Picture]], Vectors]
    text: Callable[[Sequence[str]], Vectors]
    tokens: Callable[[Sequence[str]], list[int]]


def name(spec: Spec) -> str:
    """What metrics are called after: emoji, emoji-2, clip-vit-base-patch32, open_clip-RN50-openai, a folder's name."""
    place = NAMED.get(str(spec), spec)
    if place in _EMBEDDED:
        return _EMBEDDED[place]
    text = str(place)
    if text.startswith(OPEN):
        architecture, _, tag = text.removeprefix(OPEN).partition("/")
        return f"open_clip-{architecture}-{Path(tag).stem}"
    return Path(text).name


def missing(spec: Spec) -> str | None:
    """What is missing and what to type, or None."""
    spec = NAMED.get(str(spec), spec)
    if str(spec).startswith(OPEN):
        return _open_missing(*_open_parts(str(spec)))
    place = weights.folder(spec)
    return None if place and (place / "open_clip_config.json").is_file() else weights.missing(place or spec)


def load(spec: Spec, device: str) -> Clip:
    """The CLIP that a spec names, once in a process for each device; a UserError says what is missing."""
    return _load(NAMED.get(str(spec), spec), device)


def picture_vectors(spec: Spec, device: str, paths: Sequence[Path], pictures: Sequence[Picture]) -> Vectors:
    """(n, d) of pictures that are read already, made once in a process whichever scorer asks."""
    clip = load(spec, device)
    return memory.of_pictures(f"{clip.weights} {device}", paths, pictures, clip.picture)


def text_vectors(spec: Spec, device: str, texts: Sequence[str]) -> Vectors:
    """(n, d) of texts, each read once in a process: every method's pictures have the same."""
    clip = load(spec, device)

    def lengths(new: Sequence[str]) -> list[int]:
        return [_padded(n, clip.room) for n in clip.tokens(new)]

    return memory.of_texts(f"{clip.weights} {device}", texts, clip.text, lengths)


def _padded(tokens: int, room: int) -> int:
    """How many tokens a text of so many is padded to: few lengths, so that texts share batches."""
    return min(-(-tokens // STEP) * STEP, room)


def unit(x: Vectors) -> Vectors:
    """Rows of x (n, d) brought to length 1."""
    rows: Vectors = x / np.linalg.norm(x, axis=1, keepdims=True)
    return rows


@cache
def _load(spec: Spec, device: str) -> Clip:
    if problem := missing(spec):
        raise UserError(problem)
    if str(spec).startswith(OPEN):
        return _open(*_open_parts(str(spec)), device)
    place = weights.folder(spec)
    assert place is not None  # nothing is missing
    if (place / "open_clip_config.json").is_file():
        return _open(f"local-dir:{place}", None, device)
    return _transformers(place, device)


def _transformers(folder: Path, device: str) -> Clip:
    import torch
    from transformers import CLIPModel, CLIPTokenizer

    model = weights.load(CLIPModel, folder, device)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise UserError(f"{folder}: the tokenizer is missing; save the model's CLIPTokenizer there")
    tokens = CLIPTokenizer.from_pretrained(folder, **hub.CLOSED)
    prepare = _prepare(folder, model.config.vision_config.image_size, device)
    room = min(tokens.model_max_length, model.config.text_config.max_position_embeddings)

    @torch.inference_mode()
    def picture(pictures: Sequence[Picture]) -> Vectors:
        return _vectors(model.get_image_features(pixel_values=prepare(pictures)))

    @torch.inference_mode()
    def text(texts: Sequence[str]) -> Vectors:
        ids = tokens(list(texts), truncation=True, max_length=room, padding="max_length", return_tensors="pt")
        longest = _padded(int(ids["attention_mask"].sum(1).max()), room)
        given = {name: ids[name][:, :longest].to(device) for name in ("input_ids", "attention_mask")}
        return _vectors(model.get_text_features(**given))

    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokens(list(texts), verbose=False)["input_ids"]]

    return Clip(weights.label(folder), model.logit_scale.exp().item(), room, picture, text, lengths)


def _vectors(found: Any) -> Vectors:
    """transformers 5 wraps the projected features in an output, 4 gives the tensor."""
    vectors: Vectors = getattr(found, "pooler_output", found).float().cpu().numpy()
    return vectors


def _prepare(folder: Path, size: int, device: str) -> Callable[[Sequence[Picture]], Any]:
    """What turns pictures into what the model takes."""
    if (folder / "preprocessor_config.json").is_file():
        from transformers import CLIPImageProcessor

        processor = CLIPImageProcessor.from_pretrained(folder, **hub.CLOSED)
        return lambda pictures: processor(images=list(pictures), return_tensors="pt")["pixel_values"].to(device)
    if folder not in _EMBEDDED:  # another model's mean and size cannot be guessed
        raise UserError(f"{folder}: preprocessor_config.json is missing; save the model's CLIPImageProcessor there")
    return lambda pictures: as_input(pictures, size, device)


def _open_parts(spec: str) -> tuple[str, str]:
    architecture, slash, tag = spec.removeprefix(OPEN).partition("/")
    if not (architecture and slash and tag):
        raise UserError(
            f"{spec}: open_clip:<architecture>/<tag or checkpoint> was wanted, as open_clip:ViT-B-32/openai"
        )
    return architecture, tag


def _open_missing(architecture: str, tag: str) -> str | None:
    import open_clip

    if architecture not in open_clip.list_models():
        listed = "python -c 'import open_clip; print(open_clip.list_models())'"
        return f"open_clip knows no architecture {architecture!r}: `{listed}` lists them"
    if Path(tag).is_file() or _open_file(architecture, tag):
        return None
    known = open_clip.list_pretrained_tags_by_model(architecture)
    if tag not in known:
        return f"open_clip has no {tag!r} for {architecture}, and no such file is there; known: {', '.join(known)}"
    command = f"import open_clip; open_clip.create_model('{architecture}', pretrained='{tag}')"
    return f'{architecture}/{tag} is not downloaded: type `python -c "{command}"`'


def _open_file(architecture: str, tag: str) -> Path | None:
    """Where open_clip has put the weights of a tag, if it has."""
    from open_clip.pretrained import get_pretrained_cfg

    about = get_pretrained_cfg(architecture, tag) or {}
    names = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    found = [hub.file(about["hf_hub"].strip("/"), name) for name in names] if about.get("hf_hub") else []
    beside = [Path.home() / ".cache" / "clip" / Path(about["url"]).name] if about.get("url") else []
    there = [*(path for path in found if path), *(path for path in beside if path.is_file())]
    return there[0] if there else None


def _open(architecture: str, tag: str | None, device: str) -> Clip:
    import open_clip
    import torch
    from PIL import Image

    try:
        model, _, prepare = open_clip.create_model_and_transforms(architecture, pretrained=tag, device=device)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"open_clip cannot load {architecture} {tag or ''}: {str(error).splitlines()[0]}") from error
    model.eval()
    tokens = open_clip.get_tokenizer(architecture)
    room = int(model.context_length)

    @torch.inference_mode()
    def picture(pictures: Sequence[Picture]) -> Vectors:
        batch = torch.stack([prepare(Image.fromarray(one)) for one in pictures]).to(device)
        return _vectors(model.encode_image(batch))

    @torch.inference_mode()
    def text(texts: Sequence[str]) -> Vectors:
        return _vectors(model.encode_text(tokens(list(texts), context_length=room).to(device)))

    def lengths(texts: Sequence[str]) -> list[int]:
        return [len(tokens.encode(one)) + 2 for one in texts]

    label = f"{architecture} {weights.sha12_of(model.state_dict())}"
    return Clip(label, model.logit_scale.exp().item(), room, picture, text, lengths)
