"""An edit as a file: tensors, the recipe that they are of, what its method says of them, and hashes of both."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import IO, Any

from dumo_bench.errors import UserError
from dumo_bench.storage import copies, files
from dumo_bench.types import Edit, Recipe, canonical

_CHUNK = 2**24  # bytes
#: what every edit says of itself, and its types
_FACTS = {"method": str, "version": str, "params": dict, "concepts": list, "seed": int, "model": str, "model_hash": str}


def encoded(recipe: Recipe, edit: Edit) -> bytes:
    """The file of an edit: safetensors with notes."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in edit.tensors.items()}
    told = {
        "recipe": canonical(asdict(recipe)),
        "header": canonical(dict(edit.header)),
        "tensors": tensors_hash(io.BytesIO(save(tensors))),
    }
    told["header_sha256"] = _text_hash(told["header"])
    return save(tensors, metadata=told)


def header_of(path: Path, recipe: Recipe) -> Mapping[str, Any]:
    """What a method wrote about its edit; one that is not of this recipe is a UserError."""
    told = notes(path)
    wanted = json.loads(canonical(asdict(recipe)))
    made = _object(path, told["recipe"])
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
    return _said(path, told)


def read(path: Path) -> Edit:
    """The edit in a file, whatever its recipe, on the CPU; one that is broken is a UserError."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    told, there = notes(path), copies.local(path)
    try:
        tensors = load_file(there)
    except SafetensorError as error:
        raise _broken(path) from error
    with there.open("rb") as stream:
        if told.get("tensors") not in (None, tensors_hash(stream)):
            raise UserError(f"{path}: its tensors are not those that were learnt: delete it and fit again")
    return Edit(tensors, _said(path, told))


def head(stream: IO[bytes]) -> Any:
    """What stands before the tensors of a safetensors file: 8 bytes of length, then JSON."""
    return json.loads(stream.read(int.from_bytes(stream.read(8), "little")))


def tensors_hash(stream: IO[bytes]) -> str:
    """sha256 (hex) of the tensors of a safetensors file, whatever its notes: names, types, shapes and bits."""
    table = dict(head(stream))
    table.pop("__metadata__", None)
    return files.sha256_of(chain([canonical(table).encode()], iter(lambda: stream.read(_CHUNK), b"")))


def recipe(path: Path) -> Recipe:
    """The recipe that an edit says it is of; one that says none is a UserError."""
    return _recipe(path, notes(path)["recipe"])


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


def header(path: Path) -> Mapping[str, Any]:
    """What an edit says of itself, without its tensors."""
    return _said(path, notes(path))


def notes(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, read without torch: 8 bytes of length, then JSON."""
    there = copies.local(path)
    try:
        with there.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            if size > there.stat().st_size:
                raise _broken(path)
            found = dict(json.loads(stream.read(size))).get("__metadata__", {})
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such edit; `dumo-bench fit` makes it") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _broken(path) from error
    if not isinstance(found, dict) or not {"recipe", "header"} <= found.keys():
        raise UserError(f"{path} is no edit of dumo-bench: it lacks its recipe")
    return dict(found)


class _Header(dict[str, Any]):
    """What an edit says of itself; what it does not say is told with its file."""

    def __init__(self, path: Path, said: Mapping[str, Any]) -> None:
        super().__init__(said)
        self.path = path

    def __missing__(self, name: str) -> Any:
        raise UserError(f"{self.path}: the edit does not say its {name!r}: delete it and fit again")


def _said(path: Path, told: Mapping[str, str]) -> Mapping[str, Any]:
    """What an edit says of itself, as it was written: it decides pictures as the tensors do."""
    if told.get("header_sha256") not in (None, _text_hash(told["header"])):
        raise UserError(f"{path}: what it says of itself was changed: delete it and fit again")
    found = _object(path, told["header"])
    for name, kind in _FACTS.items():
        if name in found and not isinstance(found[name], kind):
            raise UserError(f"{path}: its {name} is {found[name]!r}, wanted {kind.__name__}: delete it and fit again")
    return _Header(path, found)


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
