"""Pictures and edits on disk. A file that is there is whole: it is written beside its place, then renamed there."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from dumo_bench.errors import UserError
from dumo_bench.storage import checksums, copies, durable, files, remote
from dumo_bench.types import Edit, Job, Recipe, Start, canonical, digest

if TYPE_CHECKING:
    import numpy as np

_BATCH = "batch"
_CHUNK = 2**24  # bytes
#: what every edit says of itself, and its types
_FACTS = {"method": str, "version": str, "params": dict, "concepts": list, "seed": int, "model": str, "model_hash": str}


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
        from safetensors.torch import save

        path = self.edit_path(recipe)
        if path.exists():
            return path
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in edit.tensors.items()}
        notes = {
            "recipe": canonical(asdict(recipe)),
            "header": canonical(dict(edit.header)),
            "tensors": tensors_hash(io.BytesIO(save(tensors))),
        }
        notes["header_sha256"] = _text_hash(notes["header"])
        return files.write_bytes(path, save(tensors, metadata=notes))

    def get_edit(self, recipe: Recipe) -> Edit:
        """The edit of a recipe, on the CPU; one that is broken or made for another model is a UserError."""
        self.edit_header(recipe)
        return read_edit(self.edit_path(recipe))

    def start_path(self, key: str) -> Path:
        return self.root / "starts" / f"{key}.safetensors"

    def put_start(self, start: Start) -> str:
        """Write a starting point, unless it is there; its name, the hash of all that it sets."""
        from safetensors.torch import save

        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in start.tensors.items()}
        key = start_key(io.BytesIO(save(tensors)), start.step)
        if not (path := self.start_path(key)).exists():
            files.write_bytes(path, save(tensors, metadata={"step": str(start.step)}))
        return key

    def get_start(self, key: str) -> Start:
        """A starting point, on the CPU; one that is missing, or is not what it was, is a UserError."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.start_path(key)
        if not path.exists():
            raise UserError(
                f"{path}: no such starting point: run into the folder that `dumo-bench attack` wrote it into"
            )
        there = copies.local(path)
        try:
            tensors = load_file(there)
            with there.open("rb") as stream:
                table = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
                step = int(table["__metadata__"]["step"])
            with there.open("rb") as stream:
                whole = start_key(stream, step) == key
        except (SafetensorError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path} is broken: delete it and its suite, and attack again") from error
        if not whole:
            raise UserError(f"{path} is not as it was made: delete it and its suite, and attack again")
        return Start(**tensors, step=step)

    def edit_hash(self, recipe: Recipe) -> str:
        """What the tables call an edit by: the hash of its recipe and tensors; "" where there is none.

        Of an edit that was made before its tensors had a checksum, the hash of its file, as it was then.
        """
        path = self.edit_path(recipe)
        if not path.exists():
            return ""
        tensors = _notes(path).get("tensors")
        return digest([recipe.key, tensors]) if tensors else files.sha256(path)

    def edit_header(self, recipe: Recipe) -> Mapping[str, Any]:
        """What a method wrote about its edit; checks that the edit belongs to the recipe."""
        path = self.edit_path(recipe)
        notes = _notes(path)
        wanted = json.loads(canonical(asdict(recipe)))
        made = _object(path, notes["recipe"])
        if made.get("model") != recipe.model:
            raise UserError(
                f"{path} was made for another model (hash {str(made.get('model'))[:12]}, wanted {recipe.model[:12]}): "
                "delete it and fit again"
            )
        if odd := [name for name in wanted if made.get(name) != wanted[name]]:
            raise UserError(
                f"{path} is of another recipe ({odd[0]} {made.get(odd[0])!r}, wanted {wanted[odd[0]]!r}): "
                "delete it and fit again"
            )
        return _header(path, notes)


def start_key(stream: IO[bytes], step: int) -> str:
    """What a starting point is called by: the hash of its tensors and of the step that it stands before."""
    return digest([tensors_hash(stream), step])


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


def read_edit(path: Path) -> Edit:
    """The edit in a file, whatever its recipe, on the CPU; one that is broken is a UserError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    notes, there = _notes(path), copies.local(path)
    try:
        tensors = load_file(there)
    except SafetensorError as error:
        raise _broken(path) from error
    with there.open("rb") as stream:
        if notes.get("tensors") not in (None, tensors_hash(stream)):
            raise UserError(f"{path}: its tensors are not those that were learnt: delete it and fit again")
    return Edit(tensors, _header(path, notes))


def tensors_hash(stream: IO[bytes]) -> str:
    """sha256 (hex) of the tensors of a safetensors file, whatever its notes: names, types, shapes and bits."""
    table = dict(json.loads(stream.read(int.from_bytes(stream.read(8), "little"))))
    table.pop("__metadata__", None)
    return files.sha256_of(chain([canonical(table).encode()], iter(lambda: stream.read(_CHUNK), b"")))


def edit_recipe(path: Path) -> Recipe:
    """The recipe that an edit says it is of; one that says none is a UserError."""
    return _recipe(path, _notes(path)["recipe"])


def fit_recipe(folder: Path) -> Recipe | None:
    """The recipe that a stopped fit is of; None where it does not say, as those of earlier versions."""
    try:
        return _recipe(folder, (folder / "about.json").read_text(encoding="utf-8"))
    except (OSError, UserError):
        return None


def _recipe(path: Path, text: str) -> Recipe:
    said = _object(path, text)
    try:
        return Recipe(**{**said, "erase": tuple(said["erase"])})
    except (KeyError, TypeError) as error:
        raise _broken(path) from error


def read_header(path: Path) -> Mapping[str, Any]:
    """What an edit says of itself, without its tensors."""
    return _header(path, _notes(path))


def sha256(path: Path) -> str:
    """Hash (hex) of a file's content; "" when there is no file."""
    return files.sha256(path) if path.exists() else ""


def _notes(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, read without torch: 8 bytes of length, then JSON."""
    there = copies.local(path)
    try:
        with there.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > there.stat().st_size:
                raise _broken(path)
            notes = dict(json.loads(stream.read(size))).get("__metadata__", {})
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such edit; `dumo-bench fit` makes it") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _broken(path) from error
    if not isinstance(notes, dict) or not {"recipe", "header"} <= notes.keys():
        raise UserError(f"{path} is no edit of dumo-bench: it lacks its recipe")
    return dict(notes)


class _Header(dict[str, Any]):
    """What an edit says of itself; what it does not say is told with its file."""

    def __init__(self, path: Path, said: Mapping[str, Any]) -> None:
        super().__init__(said)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise UserError(f"{self.path}: the edit does not say its {name!r}: delete it and fit again")


def _header(path: Path, notes: Mapping[str, str]) -> Mapping[str, Any]:
    """What an edit says of itself, as it was written: it decides pictures as the tensors do."""
    if notes.get("header_sha256") not in (None, _text_hash(notes["header"])):
        raise UserError(f"{path}: what it says of itself was changed: delete it and fit again")
    said = _object(path, notes["header"])
    for name, kind in _FACTS.items():
        if name in said and not isinstance(said[name], kind):
            raise UserError(f"{path}: its {name} is {said[name]!r}, wanted {kind.__name__}: delete it and fit again")
    return _Header(path, said)


def _text_hash(text: str) -> str:
    return files.sha256_of([text.encode("utf-8", "surrogatepass")])


def _object(path: Path, text: str) -> dict[str, Any]:
    """The JSON object that a note of an edit is."""
    try:
        found = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise _broken(path) from error
    if not isinstance(found, dict):
        raise _broken(path)
    return found


def _broken(path: Path) -> UserError:
    return UserError(f"{path} is broken: delete it and fit again")
