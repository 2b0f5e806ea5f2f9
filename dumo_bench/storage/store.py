"""Pictures and edits on disk. A file that is there is whole: it is written beside its place, then renamed there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.errors import UserError
from dumo_bench.storage import files
from dumo_bench.types import Edit, Job, Recipe, canonical

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Store:
    """A results folder: `images/<key[:2]>/<key>.png` and `edits/<recipe key>.safetensors`."""

    root: Path

    def image_path(self, job: Job) -> Path:
        key = job.key
        return self.root / "images" / key[:2] / f"{key}.png"

    def edit_path(self, recipe: Recipe) -> Path:
        return self.root / "edits" / f"{recipe.key}.safetensors"

    def fit_path(self, recipe: Recipe) -> Path:
        """Where a fit that was stopped keeps its state."""
        return self.root / "edits" / f"{recipe.key}.fit"

    def has(self, job: Job) -> bool:
        return self.image_path(job).exists()

    def has_edit(self, recipe: Recipe) -> bool:
        return self.edit_path(recipe).exists()

    def missing(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs without a picture, each once, in order."""
        return list({job.key: job for job in jobs if not self.has(job)}.values())

    def put_image(self, job: Job, pixels: np.ndarray[Any, Any]) -> Path:
        """Write a picture, (h, w, 3) uint8, as PNG without metadata: equal pixels are equal files."""
        from PIL import Image

        picture = Image.fromarray(pixels)
        return files.write(self.image_path(job), lambda stream: picture.save(stream, format="PNG"))

    def put_edit(self, recipe: Recipe, edit: Edit) -> Path:
        """Write an edit unless there is one: within a store a recipe means one set of weights."""
        from safetensors.torch import save

        path = self.edit_path(recipe)
        if path.exists():
            return path
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in edit.tensors.items()}
        notes = {"recipe": canonical(asdict(recipe)), "header": canonical(dict(edit.header))}
        return files.write_bytes(path, save(tensors, metadata=notes))

    def get_edit(self, recipe: Recipe) -> Edit:
        """The edit of a recipe, on the CPU; one that is broken or made for another model is a UserError."""
        self.edit_header(recipe)
        return read_edit(self.edit_path(recipe))

    def edit_header(self, recipe: Recipe) -> Mapping[str, Any]:
        """What a method wrote about its edit; checks that the edit belongs to the recipe."""
        path = self.edit_path(recipe)
        notes = _notes(path)
        made = json.loads(notes["recipe"])
        if made["model"] != recipe.model:
            raise UserError(
                f"{path} was made for another model (hash {made['model'][:12]}, wanted {recipe.model[:12]}): "
                "delete it and fit again"
            )
        header: Mapping[str, Any] = json.loads(notes["header"])
        return header


def read_edit(path: Path) -> Edit:
    """The edit in a file, whatever its recipe, on the CPU; one that is broken is a UserError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    header = read_header(path)
    try:
        return Edit(load_file(path), header)
    except SafetensorError as error:
        raise _broken(path) from error


def read_header(path: Path) -> Mapping[str, Any]:
    """What an edit says of itself, without its tensors."""
    header: Mapping[str, Any] = json.loads(_notes(path)["header"])
    return header


def sha256(path: Path) -> str:
    """Hash (hex) of a file's content; "" when there is no file."""
    return files.sha256(path) if path.exists() else ""


def _notes(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, read without torch: 8 bytes of length, then JSON."""
    try:
        with path.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > path.stat().st_size:
                raise _broken(path)
            notes = json.loads(stream.read(size)).get("__metadata__", {})
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such edit; `dumo-bench fit` makes it") from error
    except ValueError as error:
        raise _broken(path) from error
    if not {"recipe", "header"} <= notes.keys():
        raise UserError(f"{path} is no edit of dumo-bench: it lacks its recipe")
    return dict(notes)


def _broken(path: Path) -> UserError:
    return UserError(f"{path} is broken: delete it and fit again")
