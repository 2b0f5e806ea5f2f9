"""Which models have names, where a model lies, and the hash of its weights. No torch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError, unknown
from dumo_bench.hosts import kinds
from dumo_bench.hosts.kinds import Kind
from dumo_bench.storage import hub
from dumo_bench.storage.files import cache, sha256, sha256_of, write_text

WORLD, INDEX = "world.json", "model_index.json"
#: ours, in an index: folders of other models that parts lie in; tokens of a text; latents a side
SHARED, LENGTH, SIDE = "_shared", "_max_sequence_length", "_sample_size"
#: what a diffusers folder is loaded from; other precisions and training copies of the same weights are left out
_WEIGHTS = re.compile(r"^(?!.*(fp16|non_ema|flax)).*\.(safetensors|bin)$")


#: what a method may need of a model (`Method.needs`), and how it is said
FEATURES: Mapping[str, str] = {
    "unet": "a U-Net (unet)",
    "skips": "skip connections (of a U-Net)",
    "negative": "a negative prompt, which models that are told their guidance have not",
    "transformer": "a diffusion transformer (transformer)",
    "text_encoder": "a text encoder (text_encoder)",
    "vae": "a VAE (vae)",
}
PARTS = frozenset(FEATURES) - {"skips", "negative"}  # those of them that are folders


@dataclass(frozen=True, slots=True)
class Model:
    """Where a model lies: a folder, or a hub id with its revision."""

    name: str
    location: Path | str
    revision: str = ""
    licence: str = ""
    about: str = ""


KNOWN: tuple[Model, ...] = (
    Model(
        "emoji-sd",
        Path(__file__).parents[1] / "emoji" / "weights",
        licence="MIT; drawings: see dumo_bench/emoji/ATTRIBUTION.md",
        about="a small Stable Diffusion of emoji, 64 x 64, inside this package",
    ),
    Model(
        "emoji-flow",
        Path(__file__).parents[1] / "emoji" / "flow",
        licence="MIT; drawings: see dumo_bench/emoji/ATTRIBUTION.md",
        about="a small FLUX of the same emoji, inside this package",
    ),
    Model(
        "sd14",
        "CompVis/stable-diffusion-v1-4",
        revision="133a221b8aa7292a167afc5127cb63fb5005638b",
        licence="CreativeML OpenRAIL-M",
        about="Stable Diffusion v1.4, 512 x 512, from the Hugging Face hub",
    ),
)


def names() -> tuple[str, ...]:
    return tuple(model.name for model in KNOWN)


def resolve(model: str) -> Model:
    """A known name, a diffusers folder or a hub id (`owner/name`). A folder must hold every part."""
    found = named(model)
    if isinstance(found.location, Path):
        _complete(model, found.location)
    return found


def folder(model: str) -> Path:
    """The folder of a model that is on this machine, with every part. Downloads nothing."""
    found = place(model)
    _complete(model, found)
    return found


def has(where: Path) -> frozenset[str]:
    """Which of `FEATURES` the model in a folder has: by its index, else by its subfolders. Loads nothing."""
    told = index(where)
    # a part that is left out is [null, null]
    there = {name for name in FEATURES if (any(told.get(name) or ()) if told else (where / name).is_dir())}
    more = {"skips": "unet" in there, "negative": not _told_guidance(where)}
    return frozenset(there | {name for name, has_it in more.items() if has_it})


def _told_guidance(where: Path) -> bool:
    """Whether the network takes the guidance as a number, as FLUX.1-dev's does."""
    try:
        config = json.loads((part(where, "transformer") / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(config.get("guidance_embeds"))


def index(where: Path) -> dict[str, Any]:
    """The model_index.json in a folder; nothing where there is none that can be read."""
    try:
        return dict(json.loads((where / INDEX).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def kind(where: Path) -> Kind | None:
    """The kind of the model in a folder; None where it is none that is known here."""
    return kinds.of(index(where))


def part(where: Path, name: str) -> Path:
    """The folder of a part of the model in a folder, which may lie beside another model's."""
    return where / str(index(where).get(SHARED, {}).get(name, name))


def schedule(model: str) -> dict[str, Any]:
    """The scheduler_config.json of a model on this machine; of it only the noise is used (`hosts.samplers`)."""
    path = part(folder(model), "scheduler") / "scheduler_config.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"model {model!r}: {path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(found, dict):
        raise UserError(f"model {model!r}: {path}: wanted an object, got {found!r}")
    return found


def world(where: Path) -> dict[str, Any]:
    """What the model in a folder says of its own vocabulary, in a world.json; nothing where it has none."""
    place = part(where, WORLD)
    try:
        return dict(json.loads(place.read_text(encoding="utf-8"))) if place.exists() else {}
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{place} cannot be read: {error}") from error


def place(model: str) -> Path:
    """The folder of a model that is on this machine, of whatever kind. Downloads nothing."""
    found = named(model)
    if isinstance(found.location, Path):
        return found.location
    if (there := hub.snapshot(found.location, found.revision)) is not None:
        return there
    raise UserError(
        f"model {model!r} is not on this machine: type `hf download {found.location}"
        + (f" --revision {found.revision}" if found.revision else "")
        + f" --include {INDEX} {' '.join(repr(part + '/*') for part in _every_part())}`"
    )


def here(model: str) -> bool:
    """Whether a model is on this machine, whole or not."""
    found = named(model)
    return isinstance(found.location, Path) or hub.snapshot(found.location, found.revision) is not None


def named(model: str) -> Model:
    """A known name, a diffusers folder or a hub id, of whatever kind and whole or not."""
    known = {one.name: one for one in KNOWN}
    if model in known:
        return known[model]
    if Path(model).is_dir():
        return Model(Path(model).resolve().name, Path(model))
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not Path(model).parent.is_dir():
        return Model(model, model)
    raise UserError(f"{unknown('models', model, names())} A diffusers folder or a hub id (owner/name) serves too.")


def content_hash(model: str) -> str:
    """sha256 (hex) of the weights, configurations and vocabulary of a model on this machine, by part and name."""
    files = dict(_files(folder(model)))
    return _together(files, _hashes([*files.values()]))


def files_hash(root: Path, files: Sequence[Path]) -> str:
    """sha256 (hex) of a file, or of several by their names below `root`."""
    known = _hashes(files)
    if len(files) == 1:
        return known[files[0]]
    return _together({path.relative_to(root).as_posix(): path for path in files}, known)


def _together(files: Mapping[str, Path], known: Mapping[Path, str]) -> str:
    return sha256_of(f"{name} {known[path]}\n".encode() for name, path in files.items())


def _hashes(files: Sequence[Path]) -> dict[Path, str]:
    """sha256 of each file. It is kept in the user's cache by size and time of change: asking again is instant."""
    known, found = _read_cache(), {}
    before = len(known)
    for path in files:
        stat = path.stat()
        key = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
        known[key] = found[path] = known.get(key) or sha256(path)
    if len(known) > before:
        _write_cache(known)
    return found


@lru_cache(maxsize=8)
def tokenizer(model: str) -> object:
    """The CLIP tokenizer of a model on this machine."""
    from transformers import CLIPTokenizer

    found: object = CLIPTokenizer.from_pretrained(part(folder(model), "tokenizer"), **hub.CLOSED)
    return found


def _complete(model: str, place: Path) -> None:
    if (own := kind(place)) is None:
        known = ", ".join(f"{one.title} ({one.pipeline})" for one in kinds.KINDS)
        raise UserError(
            f"model {model!r}: {place / INDEX} names {index(place).get('_class_name')}: wanted a model of {known}"
        )
    missing = [name for name in own.parts if not part(place, name).is_dir()]
    if not missing:
        return
    hint = "; train it with the scripts of dumo_bench/emoji" if model.startswith("emoji-") else ""
    raise UserError(
        f"model {model!r}: {place} lacks {', '.join(missing)}: wanted a diffusers folder of {own.title}{hint}"
    )


def _every_part() -> list[str]:
    return list(dict.fromkeys(part for one in kinds.KINDS for part in one.parts))


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """What the hash of a model covers, by name. An index of later kinds says things that pictures depend on."""
    own = kind(place) or kinds.SD
    for name in sorted(own.parts):
        inside = sorted(p for p in part(place, name).iterdir() if p.is_file())
        weights = [p for p in inside if _WEIGHTS.match(p.name)]
        safe = [p for p in weights if p.suffix == ".safetensors"]
        for path in (*(safe or weights), *(p for p in inside if p.suffix in (".json", ".txt"))):
            yield f"{name}/{path.name}", path
    if own is not kinds.SD:
        yield INDEX, place / INDEX


def _read_cache() -> dict[str, str]:
    try:
        found: dict[str, str] = json.loads((cache() / "hashes.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _write_cache(known: dict[str, str]) -> None:
    with suppress(OSError, UserError):  # a cache that cannot be written costs time, nothing else
        write_text(cache() / "hashes.json", json.dumps(known))
