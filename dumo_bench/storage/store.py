"""Pictures and edits on disk. A file that is there is whole: it is written beside its place, then renamed there."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.storage import checksums, copies, durable, edits, files, remote, starts
from dumo_bench.types import Edit, Job, Recipe, Start, digest

if TYPE_CHECKING:
    import numpy as np

_BATCH = "batch"


@dataclass(frozen=True, slots=True)
class Store:
    """A results folder: `images/<key[:2]>/<key>.png` and `edits/<recipe key>.safetensors`."""

    root: Path

    def begin(self) -> None:
        """Make the folder, and clear what nobody will need."""
        if remote.far(self.root):
            copies.clear()
            return
        durable.make(self.root)
        self.clear()

    @property
    def private(self) -> bool:
        """Whether no other process sees it."""
        return remote.private(self.root)

    def image_path(self, job: Job) -> Path:
        return self._place(job.key)

    def _place(self, key: str) -> Path:
        return self.root.joinpath("images", key[:2], f"{key}.png")

    def edit_path(self, recipe: Recipe) -> Path:
        return self.root / "edits" / f"{recipe.key}.safetensors"

    def fit_path(self, recipe: Recipe) -> Path:
        """Where a fit that was stopped keeps its state, gigabytes perhaps: of a remote folder on this machine."""
        root = files.cache() / "fits" / digest(str(self.root))[:16] if remote.far(self.root) else self.root / "edits"
        return root / f"{recipe.key}.fit"

    def claim_path(self, recipe: Recipe) -> Path:
        """What the claims on a fit are called after."""
        return self.root / "edits" / recipe.key

    def has(self, job: Job) -> bool:
        return self.image_path(job).exists()

    def has_edit(self, recipe: Recipe) -> bool:
        return self.edit_path(recipe).exists()

    def missing(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs without a picture, each once, in order."""
        once = {job.key: job for job in jobs}
        sizes = self.sizes(once.values())
        return [job for job, size in zip(once.values(), sizes, strict=True) if size is None]

    def sizes(self, jobs: Iterable[Job]) -> list[int | None]:
        """Bytes of each picture; None: it is not there. Folders are listed first: what is not there costs nothing."""
        if remote.far(self.root):
            paths = [self.image_path(job) for job in jobs]
            there = remote.infos(self.root / "images", paths)
            return [there[path].size if path in there else None for path in paths]
        keys = [job.key for job in jobs]
        listed = self._listed(keys)
        return [self._bytes(key) if f"{key}.png" in listed else None for key in keys]

    def _listed(self, keys: Iterable[str]) -> set[str]:
        """The names in the folders of pictures."""
        return {name for folder in {key[:2] for key in keys} for name in self._names(folder)}

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(self.root / "images" / folder)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _text(self, key: str) -> str:
        """Where a picture of this machine lies: to make a Path takes longer than to hash a small picture."""
        return f"{self.root}/images/{key[:2]}/{key}.png"

    def _bytes(self, key: str) -> int | None:
        try:
            return os.stat(self._text(key)).st_size
        except FileNotFoundError:  # a link that leads nowhere, or it has gone meanwhile
            return None

    def clear(self) -> None:
        """Delete what programs left behind that were killed: files half written a day ago and more, and of fits whose
        edit is there their state and their claim."""
        files.clear(self.root)
        for left in (*self.root.glob("edits/*.fit"), *self.root.glob("edits/*.claim*")):
            if not left.with_name(f"{left.name.partition('.')[0]}.safetensors").exists():
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def pictures(self, jobs: Iterable[Job]) -> list[Path]:
        """Files of this machine, whether or not they are there: of a remote folder, copies."""
        return copies.several(self.root / "images", [self.image_path(job) for job in jobs])

    def drop(self, jobs: Iterable[Job]) -> None:
        """Delete the pictures of jobs."""
        for job in jobs:
            self.image_path(job).unlink(missing_ok=True)

    def put_image(self, job: Job, pixels: np.ndarray[Any, Any], batch: int | None = None) -> Path:
        """Write a picture, (h, w, 3) uint8, as PNG; all that it says of itself is in a batch of how many it was made.

        Equal pixels of equal batches are equal files.
        """
        from PIL import Image, PngImagePlugin

        path, encoded, said = self.image_path(job), io.BytesIO(), PngImagePlugin.PngInfo()
        if batch is not None:
            said.add_text(_BATCH, str(batch))
        Image.fromarray(pixels).save(encoded, format="PNG", pnginfo=said)
        checksums.record(self.root, path, encoded.getvalue())
        return files.write_bytes(path, encoded.getvalue())

    def check(self, jobs: Iterable[Job]) -> checksums.Found:
        """Whether the pictures that are there are as they were made; those that were made before hashes were kept
        are given one, where they are whole."""
        wanted = {job.key: job for job in jobs}
        if remote.far(self.root):
            infos = remote.infos(self.root / "images", [self._place(key) for key in wanted])
            places: dict[str, Path | str] = {path.stem: path for path in infos}
            md5 = {path.stem: info.md5 for path, info in infos.items()}
        else:
            listed, md5 = self._listed(wanted), {}
            places = {key: self._text(key) for key in wanted if f"{key}.png" in listed}
        about = [(place, (wanted[key].sampling.width, wanted[key].sampling.height)) for key, place in places.items()]
        found = checksums.check(self.root, about, md5)
        for key in found.unknown:
            checksums.record(self.root, self._place(key), self._place(key).read_bytes())
        return found

    def put_edit(self, recipe: Recipe, edit: Edit) -> Path:
        """Write an edit unless there is one: within a store a recipe means one set of weights."""
        path = self.edit_path(recipe)
        return path if path.exists() else files.write_bytes(path, edits.encoded(recipe, edit))

    def get_edit(self, recipe: Recipe) -> Edit:
        """The edit of a recipe, on the CPU; one that is broken or made for another model is a UserError."""
        self.edit_header(recipe)
        return edits.read(self.edit_path(recipe))

    def start_path(self, key: str) -> Path:
        return self.root / "starts" / f"{key}.safetensors"

    def put_start(self, start: Start) -> str:
        """Write a starting point, unless it is there; its name, the hash of all that it sets."""
        key, encoded = starts.encoded(start)
        if not (path := self.start_path(key)).exists():
            files.write_bytes(path, encoded)
        return key

    def get_start(self, key: str) -> Start:
        """A starting point, on the CPU; one that is missing, or is not what it was, is a UserError."""
        return starts.read(self.start_path(key))

    def edit_hash(self, recipe: Recipe) -> str:
        """What the tables call an edit by: the hash of its recipe and tensors; "" where there is none.

        Of an edit that was made before its tensors had a checksum, the hash of its file, as it was then.
        """
        path = self.edit_path(recipe)
        if not path.exists():
            return ""
        tensors = edits.notes(path).get("tensors")
        return digest([recipe.key, tensors]) if tensors else files.sha256(path)

    def edit_header(self, recipe: Recipe) -> Mapping[str, Any]:
        """What a method wrote about its edit; checks that the edit belongs to the recipe."""
        return edits.header_of(self.edit_path(recipe), recipe)


def batch_of(paths: Iterable[Path]) -> int | None:
    """How many pictures were sampled at once, where all of these that are there say the same; None: several, or not
    known."""
    found = {_batch(path) for path in paths if path.is_file()}
    return found.pop() if len(found) == 1 else None


def _batch(path: Path) -> int | None:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            said = str(picture.info.get(_BATCH, ""))
    except (OSError, ValueError, SyntaxError):  # scoring it will say what is wrong
        return None
    return int(said) if said.isdecimal() else None
