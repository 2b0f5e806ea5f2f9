"""Where a published artefact lies, which of its files are read, and their hash. No torch."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from dumo_bench.errors import UserError
from dumo_bench.formats.lora_config import CONFIG as LORA
from dumo_bench.hosts import kinds, models
from dumo_bench.storage import hub

SUFFIXES = (".safetensors", ".bin", ".pt", ".pth", ".ckpt")
WEIGHTS = "diffusion_pytorch_model"  # how diffusers names the weights of a model
ERASERS = ("eraser_weights.pt", "eraser_config.json")
TEXT = "model"  # how transformers names them, or pytorch_model
ADAPTER = "adapter_model"  # how peft names them
Kind = Literal["file", "network", "text", "vae", "peft", "pipeline", "receler", "dumo"]


@dataclass(frozen=True, slots=True)
class Place:
    """An artefact on this machine: the first of `files` holds its weights. `name` is for people and recipes.

    A pipeline is several: `parts`, whose files are its own.
    """

    kind: Kind
    root: Path
    files: tuple[Path, ...]
    name: str = ""
    parts: tuple[Place, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the one file, or of the hashes of the several."""
        return models.files_hash(self.root if self.parts else self.files[0].parent, self.files)

    def file(self, name: str) -> Path | None:
        """The file of this name among those that are read."""
        return next((path for path in self.files if path.name == name), None)


def find(where: Sequence[str], revision: str = "") -> tuple[Place, ...]:
    """The artefacts at these paths or hub ids; a folder of DuMo's or Receler's is all of them, by name."""
    if not where or not all(where):
        raise UserError("checkpoint: nothing to import: --set path=FILE, a folder or a hub id (owner/name/file)")
    found = [(one, inside(locate(one, revision))) for one in where]
    return tuple(replace(place, name=_name(one, place, len(places))) for one, places in found for place in places)


def _name(where: str, place: Place, of: int) -> str:
    """The hub id as it was typed, or the last part of a path; of several in a folder, each its own."""
    if of > 1:
        return place.root.name
    path = Path(where).expanduser()
    return Path(os.path.abspath(path)).name if path.exists() else where


def locate(where: str, revision: str = "") -> Path:
    """The path, or the hub's copy of `owner/name` or `owner/name/path` on this machine. Downloads nothing."""
    path = Path(where).expanduser()
    if path.exists():
        return path
    named = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:/(.+))?", where)
    if named is None or path.parent.is_dir():
        raise UserError(f"{where}: no such file or folder (a hub id is owner/name or owner/name/file)")
    repository, rest = named[1], named[2] or ""
    there = hub.snapshot(repository, revision)
    if there is not None and (there / rest).exists():
        return there / rest
    wanted = f" {rest}" if Path(rest).suffix else f" --include '{rest}/*'" if rest else ""
    pinned = f" --revision {revision}" if revision else ""
    raise UserError(f"{where} is not on this machine: type `hf download {repository}{wanted}{pinned}`")


def inside(root: Path) -> list[Place]:
    """What lies at a path; a folder that is no artefact itself may hold one of DuMo's or Receler's a concept."""
    found = artefact(root)
    if found is not None:
        return [found]
    below = [place for folder in sorted(root.iterdir()) if folder.is_dir() and (place := artefact(folder))]
    if {place.kind for place in below} in ({"dumo"}, {"receler"}):
        return below
    names = ", ".join(sorted(path.name for path in root.iterdir())[:6]) or "nothing"
    raise UserError(
        f"{root}: holds {names}: wanted one weights file ({', '.join(SUFFIXES)}), a diffusers U-Net or pipeline, "
        f"a text encoder, a LoRA of peft ({LORA}), "
        f"{ERASERS[0]} of Receler, or a folder a concept of DuMo's or Receler's; name the file itself"
    )


def artefact(root: Path) -> Place | None:
    """The artefact that a path is, by its files; None when it is none or not one alone."""
    if root.is_file():
        if root.suffix not in SUFFIXES:
            raise UserError(f"{root}: wanted a file that ends in one of {', '.join(SUFFIXES)}")
        told = root.stem == ADAPTER and (root.parent / LORA).is_file()
        return Place("peft", root.parent, (root, root.parent / LORA)) if told else Place("file", root, (root,))
    if (root / ERASERS[0]).is_file():
        return Place("receler", root, _there(root, ERASERS))
    if (root / LORA).is_file():
        return Place("peft", root, (_weights(root, LORA, (ADAPTER,)), root / LORA))
    if (root / "config.json").is_file():
        return _model(root)
    if more := [name for name in ("transformer", "text_encoder_2") if (root / name / "config.json").is_file()]:
        raise UserError(
            f"{root}: a pipeline with {more[0]}: read whole are those of {kinds.SD.title} alone, of others name the "
            "folder of the U-Net or transformer"
        )
    parts = [part for name in ("unet", "text_encoder", "vae") if (part := _part(root / name)) is not None]
    if parts and parts[0].kind != "vae":
        return _pipeline(root, tuple(parts))
    alone = [path for path in root.iterdir() if path.suffix in SUFFIXES]
    return Place("file", alone[0], (alone[0],)) if len(alone) == 1 else None


def _part(root: Path) -> Place | None:
    """What a folder of a pipeline is, if it is there."""
    return artefact(root) if (root / LORA).is_file() or (root / "config.json").is_file() else None


def _pipeline(root: Path, parts: tuple[Place, ...]) -> Place:
    """The parts that a pipeline could have changed; a folder of averages beside them is another artefact."""
    twins = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name.endswith("_ema"))
    if twins:
        raise UserError(f"{root}: holds {twins[0]}, averages of weights (EMA), beside {parts[0].root.name}: name one")
    return Place("pipeline", root, tuple(path for part in parts for path in part.files), parts=parts)


def _model(root: Path) -> Place:
    """A folder with config.json: of diffusers, or a text encoder of transformers."""
    said = config(root)
    name = str(said.get("_class_name") or " ".join(map(str, _listed(said.get("architectures")))))
    known: dict[str, Kind] = {
        "DuMo": "dumo", "UNet2DConditionModel": "network", "CLIPTextModel": "text", "AutoencoderKL": "vae",
        "FluxTransformer2DModel": "network", "SD3Transformer2DModel": "network",
    }  # fmt: skip
    if name not in known:
        raise UserError(f"{root}: config.json is of {name!r}: wanted one of {', '.join(known)}")
    stems = (TEXT, f"pytorch_{TEXT}") if known[name] == "text" else (WEIGHTS,)
    weights = _weights(root, "config.json", stems)
    return Place(known[name], root, (weights, *_there(root, ("config.json", "time_scale.npy"))))


def _weights(root: Path, beside: str, stems: Sequence[str]) -> Path:
    """The weights of a folder."""
    names = [f"{stem}{end}" for end in (".safetensors", ".bin") for stem in stems]
    found = _there(root, names)
    if not found:
        raise UserError(f"{root}: has {beside} but neither {' nor '.join(names)}")
    return found[0]


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def folder_name(concept: str) -> str:
    """A concept as a folder is called after it."""
    return re.sub(r"[\W_]+", "-", concept.lower()).strip("-")


def config(root: Path) -> dict[str, object]:
    """config.json of a folder."""
    return read_json(root / "config.json")


def read_json(path: Path) -> dict[str, object]:
    """The object that a JSON file holds."""
    return json_object(str(path), path.read_bytes())


def json_object(what: str, text: str | bytes) -> dict[str, object]:
    """The object that a JSON text is."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{what}: no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UserError(f"{what}: wanted a JSON object")
    return found


def _there(root: Path, names: Sequence[str]) -> tuple[Path, ...]:
    return tuple(root / name for name in names if (root / name).is_file())
