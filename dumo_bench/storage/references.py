"""What the runs of a results folder refer to. A run notes it before it makes anything, and a note is never changed.

A note, `runs/wanted/<run>-<hash>.json`, holds the keys of every picture that the run wants and the recipes of its
edits, so what a run would want again is read and not worked out: no suite, model or plugin is needed for it. Whoever
notes, and whoever deletes what no note names, hold one claim: each sees what the other has done.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from dumo_bench.errors import UserError
from dumo_bench.storage import claims, files, table
from dumo_bench.types import Recipe, canonical, digest

Family: TypeAlias = str
_EDIT = ("method", "method_version", "params", "fit_seed", "model")  # what a row says of an edit beside its concepts
_KEY = re.compile(r"\b[0-9a-f]{64}\b")
CLAIM = "references"  # what `alone` is called after
SEARCHED = ".searched.jsonl"  # behind the name of an attack's suite: what was found before its search was stopped


class Group(NamedTuple):
    """The pictures that a run wants of one recipe, and the starting points of attacks among them; all by their keys."""

    suite: str
    recipe: Recipe
    pictures: tuple[str, ...]
    starts: tuple[str, ...] = ()

    @property
    def said(self) -> dict[str, Any]:
        """As a note has it: without starting points as it was before there were some."""
        told = {**self._asdict(), "recipe": asdict(self.recipe)}
        return told if self.starts else {name: value for name, value in told.items() if name != "starts"}


class Note(NamedTuple):
    """What one run refers to; `request`: what was typed."""

    request: Mapping[str, Any]
    groups: tuple[Group, ...]


class References(NamedTuple):
    """Everything that is referred to in a results folder.

    pictures, starts: their keys; families: of the edits (`family`); unnoted: manifests of runs that noted nothing, as
    those of earlier versions: what they want is not known.
    """

    pictures: frozenset[str]
    starts: frozenset[str]
    families: frozenset[Family]
    unnoted: tuple[Path, ...]

    def needs_edit(self, recipe: Recipe) -> bool:
        return family(recipe) in self.families


def family(recipe: Recipe) -> Family:
    """What edits share that differ in their concepts alone: a method may fit concepts one by one and join them."""
    return _family(recipe.method, recipe.version, canonical(recipe.params), recipe.fit_seed, recipe.model)


def _family(*said: Any) -> Family:
    return digest(said)


def folder(root: Path) -> Path:
    return root / "runs" / "wanted"


def note(root: Path, run: str, request: Mapping[str, Any], groups: Sequence[Group]) -> Path:
    """Note what a run wants, unless it is noted. run: what its manifest is called, without the ending."""
    text = canonical({"wish": request, "groups": [group.said for group in groups]})
    path = folder(root) / f"{run}-{digest(text)[:12]}.json"
    if not path.exists():
        with alone(root, "what this run wants is noted"):
            files.write_text(path, text + "\n")
    return path


@contextmanager
def alone(root: Path, what: str) -> Iterator[None]:
    """Nobody else notes or deletes inside; `what` is said of whoever has to wait."""
    with claims.claimed(root / "runs" / CLAIM, lambda: False, what):
        yield


def notes(root: Path) -> dict[Path, Note]:
    """Every note of a results folder; one that is broken is a UserError, for what it names is not known."""
    return {path: read_note(path) for path in sorted(folder(root).glob("*.json"))}


def read(root: Path) -> References:
    """What notes and tables refer to."""
    groups = [group for one in notes(root).values() for group in one.groups]
    pictures = {key for group in groups for key in group.pictures}
    families = {family(group.recipe) for group in groups if group.recipe.erase}
    for path in (root / "tables" / "detections").glob("*.parquet"):
        pictures.update(table.columns(path, "detections", ["key"])["key"].to_pylist())
    for path in (root / "tables" / "scores").glob("*.parquet"):
        found = table.columns(path, "scores", ("key", *_EDIT))
        pictures.update(found["key"].to_pylist())
        families.update(_family(*row) for row in set(zip(*(found[name].to_pylist() for name in _EDIT), strict=True)))
    starts = {key for group in groups for key in group.starts} | attacked(root).keys()
    return References(frozenset(pictures), frozenset(starts), frozenset(families), tuple(unnoted(root)))


def attacked(root: Path) -> dict[str, list[Path]]:
    """The starting points that suites of attacks and stopped searches name, each with the files that do."""
    found: dict[str, list[Path]] = {}
    folder = root / "attacks"
    for path in sorted([*folder.glob("*.csv"), *folder.glob(f"*{SEARCHED}")]):
        for key in set(_KEY.findall(path.read_text(encoding="utf-8", errors="replace"))):
            found.setdefault(key, []).append(path)
    return found


def unnoted(root: Path) -> Iterator[Path]:
    """Manifests of runs that noted nothing."""
    noted = {path.stem.rpartition("-")[0] for path in folder(root).glob("*.json")}
    for path in sorted((root / "runs").glob("*.json")):
        refused = "not_applicable" in _object(path)
        if not refused and path.stem not in noted:
            yield path


def read_note(path: Path) -> Note:
    """One note; one that is broken is a UserError."""
    said = _object(path)
    try:
        groups = tuple(_group(one) for one in said["groups"])
        return Note(dict(said["wish"]), groups)
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"{type(error).__name__}: {error}") from error


def _group(said: Mapping[str, Any]) -> Group:
    recipe = Recipe(**{**said["recipe"], "erase": tuple(said["recipe"]["erase"])})
    pictures, starts = tuple(said["pictures"]), tuple(said.get("starts", ()))
    if not all(isinstance(key, str) for key in (*pictures, *starts)):
        raise ValueError("pictures and starts are keys")
    return Group(str(said["suite"]), recipe, pictures, starts)


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _broken(path, str(error)) from error
    if not isinstance(found, dict):
        raise _broken(path, f"wanted an object, got {type(found).__name__}")
    return found


def _broken(path: Path, why: str) -> UserError:
    return UserError(f"{path} is broken ({why}): delete it and type the command of its run again, which writes it anew")
