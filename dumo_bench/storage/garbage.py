"""What of a results folder no run refers to, and what programs that were killed left half written.

It is safe beside runs by construction: while anything is deleted no run can note what it wants, so everything that a
run counts on is either noted, and stays, or was gone before it looked. What is younger than a day stays in any case.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import claims, edits, files, references, remote
from dumo_bench.storage.references import References

DAY = 24 * 3600.0
UNNOTED = (
    "an earlier version of this program wrote it, and it does not say which pictures its run wants: type its command "
    "again, which notes them and makes nothing that is there, or delete it"
)
_PICTURE = re.compile(r"[0-9a-f]{64}\.png")
_TENSORS = re.compile(r"([0-9a-f]{64})\.safetensors")
_FIT = re.compile(r"([0-9a-f]{64})\.fit")
_CLAIM = re.compile(r".*\.claim\d+")


class Piece(NamedTuple):
    """Something that may go, and why."""

    kind: str
    path: Path
    bytes: int
    why: str


class Found(NamedTuple):
    """What may go; unnoted: manifests for whose sake all pictures, edits and starting points stay."""

    pieces: tuple[Piece, ...]
    unnoted: tuple[Path, ...]


def collect(root: Path, *, delete: bool = False, older: float = DAY) -> Found:
    """What may go and is older than so many seconds; with `delete`, it goes."""
    if remote.far(root):
        raise UserError(
            f"{root}: only of a folder of this machine is it told what may go: a store has rules of its own"
        )
    if not delete:
        return _found(root, older)
    with references.alone(root, f"{root}: what no run refers to is being deleted"):
        found = _found(root, older)
        for piece in found.pieces:
            _delete(piece.path)
    return found


def _found(root: Path, older: float) -> Found:
    there = references.read(root)
    old = _older(older)
    pieces = [*_partials(root, _older(max(older, DAY))), *_claims(root, old), *_fits(root, there, old)]
    pieces += _searches(root, old)
    if not there.unnoted:
        pieces += [*_pictures(root, there, old), *_edits(root, there, old), *_starts(root, there, old)]
    return Found(tuple(sorted(pieces)), there.unnoted)


def _older(seconds: float) -> Callable[[Path], bool]:
    now = time.time()

    def old(path: Path) -> bool:
        """Whether all that is there was written so long ago; what has just gone is nobody's to delete."""
        try:
            return all(now - one.lstat().st_mtime > seconds for one in (path, *path.rglob("*")))
        except FileNotFoundError:
            return False

    return old


def _pictures(root: Path, there: References, old: Callable[[Path], bool]) -> Iterator[Piece]:
    for path in root.glob("images/??/*.png"):
        if _PICTURE.fullmatch(path.name) and path.stem not in there.pictures and old(path):
            yield _piece("picture", path, "no run and no table refers to it")


def _edits(root: Path, there: References, old: Callable[[Path], bool]) -> Iterator[Piece]:
    for path in (root / "edits").glob("*.safetensors"):
        if _TENSORS.fullmatch(path.name) and not _claimed(path.with_suffix("")) and old(path):
            try:
                recipe = edits.recipe(path)
            except UserError:
                continue  # `store verify` says what to do with it
            if not there.needs_edit(recipe):
                yield _piece("edit", path, "no run and no table refers to an edit of its settings")


def _starts(root: Path, there: References, old: Callable[[Path], bool]) -> Iterator[Piece]:
    for path in (root / "starts").glob("*.safetensors"):
        if _TENSORS.fullmatch(path.name) and path.stem not in there.starts and old(path):
            yield _piece("starting point", path, "no run and no suite of an attack names it")


def _fits(root: Path, there: References, old: Callable[[Path], bool]) -> Iterator[Piece]:
    """States of stopped fits: whose edit is there, or of which it is known that no run needs it."""
    for path in (root / "edits").glob("*.fit"):
        if not _FIT.fullmatch(path.name) or _claimed(path.with_suffix("")) or not old(path):
            continue
        recipe = edits.fit_recipe(path)
        if path.with_suffix(".safetensors").exists():
            yield _piece("stopped fit", path, "its edit is there")
        elif recipe and not there.unnoted and not there.needs_edit(recipe):
            yield _piece("stopped fit", path, "no run and no table refers to an edit of its settings")


def _searches(root: Path, old: Callable[[Path], bool]) -> Iterator[Piece]:
    for path in (root / "attacks").glob(f"*{references.SEARCHED}"):
        if path.with_name(f"{path.name.removesuffix(references.SEARCHED)}.toml").exists() and old(path):
            yield _piece("stopped search", path, "its suite is there")


def _partials(root: Path, old: Callable[[Path], bool]) -> Iterator[Piece]:
    for path in files.partials(root):
        if old(path):
            yield _piece("half written", path, "whoever wrote it was stopped")


def _claims(root: Path, old: Callable[[Path], bool]) -> Iterator[Piece]:
    """Claims of processes of this machine that are gone, and others without a sign of life for a day."""
    silent = _older(DAY)
    for path in (path for where in ("edits", "runs") for path in (root / where).glob("*.claim*")):
        mine = path.name.startswith(f"{references.CLAIM}.")  # held right now, whatever a clock says of it
        if _CLAIM.fullmatch(path.name) and not mine and old(path) and (claims.gone(path) or silent(path)):
            yield _piece("claim", path, "its holder is gone")


def _claimed(path: Path) -> bool:
    return any(_CLAIM.fullmatch(one.name) for one in path.parent.glob(f"{path.name}.claim*"))


def _piece(kind: str, path: Path, why: str) -> Piece:
    return Piece(kind, path, size(path), why)


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; of what has just gone, none."""
    every = files.every(path) if path.is_dir() and not path.is_symlink() else [path]
    return sum(map(_bytes, every))


def _bytes(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
