"""Whether what lies in a results folder is as it was made: pictures, edits, starting points, tables, notes, states of
stopped fits."""

from __future__ import annotations

import json
import re
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import checksums, edits, files, references, starts, store, table
from dumo_bench.storage.columns import COLUMNS
from dumo_bench.storage.references import Note
from dumo_bench.types import canonical

_KEY = re.compile(r"[0-9a-f]{64}")
BROUGHT = "pictures"  # the method whose pictures `store import` brings: no command makes them


class Broken(NamedTuple):
    """A file that is not as it was made: what is wrong with it, and what to type."""

    kind: str
    path: Path
    why: str
    type: str


class Checked(NamedTuple):
    """How many files of each kind were looked at, those that are broken, and how many pictures have no checksum."""

    counts: Mapping[str, int]
    broken: tuple[Broken, ...]
    unknown: int


def verify(root: Path) -> Checked:
    """Look at every file that runs made; nothing is changed."""
    notes, broken = _notes(root)
    pictures = [path for path in sorted(root.glob("images/??/*.png")) if _KEY.fullmatch(path.stem)]
    found = checksums.check(root, [(path, None) for path in pictures])
    at = {path.stem: path for path in pictures}
    broken += [Broken("picture", at[key], why, _again(root, key, notes)) for key, why in found.altered.items()]
    broken += [
        Broken("picture", path, f"it lies in {path.parent.name}/, wanted {path.stem[:2]}/", _remove(path))
        for path in pictures
        if path.parent.name != path.stem[:2]
    ]
    named = references.attacked(root)
    kinds: dict[str, tuple[list[Path], Callable[[Path], None]]] = {
        "edit": ([path for path in _edits(root) if _KEY.fullmatch(path.stem)], _edit),
        "starting point": (_starts(root, named), _start),
        "stopped fit": (sorted(root.glob("edits/*.fit/*.pt")), _state),
        "table": ([*sorted(root.glob("tables/*/*.parquet")), *root.glob("summary.parquet")], _table),
    }
    for kind, (paths, look) in kinds.items():
        wrong = [(path, why) for path in paths if (why := _problem(look, path))]
        broken += [Broken(kind, path, why, _remove(path, *_suites(path, named))) for path, why in wrong]
    counts = {"picture": len(pictures), **{kind: len(paths) for kind, (paths, _) in kinds.items()}}
    counts["note of a run"] = len(list(_runs(root)))
    return Checked(counts, tuple(broken), len(found.unknown))


def _problem(look: Callable[[Path], None], path: Path) -> str:
    """What is wrong with a file; "": nothing."""
    try:
        look(path)
    except UserError as error:
        return re.split("[:;] delete", str(error).removeprefix(str(path)).removeprefix(":").strip())[0]
    except OSError as error:
        return error.strerror or "it cannot be read"
    return ""


def _edits(root: Path) -> list[Path]:
    return sorted((root / "edits").glob("*.safetensors"))


def _edit(path: Path) -> None:
    """Its tensors and what it says of itself are as they were written, and it lies under its recipe's key."""
    edits.read(path)
    if edits.recipe(path).key != path.stem:
        raise UserError(f"{path}: it is of another recipe than its name says")


def _starts(root: Path, named: Iterable[str]) -> list[Path]:
    """The starting points that are there, and those that an attack's suite names."""
    there = {path.stem for path in (root / "starts").glob("*.safetensors") if _KEY.fullmatch(path.stem)}
    return [store.Store(root).start_path(key) for key in sorted(there.union(named))]


def _start(path: Path) -> None:
    """It is there, and called by the hash of all that it sets."""
    starts.read(path)


def _suites(path: Path, named: Mapping[str, Sequence[Path]]) -> list[Path]:
    """What names a starting point: an attack searches again where its suite is not there."""
    suites = [listed for listed in named.get(path.stem, ()) if listed.suffix == ".csv"]
    return [one for listed in suites for one in (listed, listed.with_suffix(".toml"))]


def _table(path: Path) -> None:
    name = "summary" if path.stem == "summary" else path.parent.name
    if name in COLUMNS:
        table.read_file(path, name)


def _state(path: Path) -> None:
    """What torch saved is a ZIP archive, with a checksum of each of its files."""
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError):
        whole = False
    if not whole:
        raise UserError(f"{path}: it is not as it was written")


def _runs(root: Path) -> Iterator[Path]:
    yield from sorted((root / "runs").glob("*.json"))
    yield from sorted(references.folder(root).glob("*.json"))


def _notes(root: Path) -> tuple[list[Note], list[Broken]]:
    """The notes that can be read, of each request the last; and the notes and manifests that cannot be read."""
    good, broken = dict[str, Note](), list[Broken]()
    for path in sorted(_runs(root), key=files.age, reverse=True):
        try:
            if path.parent == references.folder(root):
                note = references.read_note(path)
                good[canonical(note.request)] = note  # of a suite that was edited it wants what is made today
            elif not isinstance(json.loads(path.read_text(encoding="utf-8")), dict):
                raise ValueError("it is no object")
        except (UserError, ValueError, RecursionError) as error:
            why = "it cannot be read" if isinstance(error, UserError) else f"it is no JSON ({error})"
            broken.append(Broken("note of a run", path, why, _remove(path)))
    return list(good.values()), broken


def _again(root: Path, key: str, notes: list[Note]) -> str:
    """The command that makes a picture again, where a run that wants it is noted; else it can go, as a folder must that
    stands in its place."""
    place = root / "images" / key[:2] / f"{key}.png"
    for note in notes if not place.is_dir() else ():
        if group := next((group for group in note.groups if key in group.pictures), None):
            with suppress(KeyError, TypeError, AttributeError):  # another program's request, or an odd one
                return (imported if group.recipe.method == BROUGHT else command)(note.request, root)
    return _remove(place)


def command(request: Mapping[str, Any], root: Path) -> str:
    """What was typed, as `generate`: it makes what is missing or altered, and nothing else."""
    settings = [
        word for name, value in request.get("settings", {}).items() for word in ("--set", f"{name}={_toml(value)}")
    ]
    words = ["generate", "--method", request["method"], *_asked(request, "--dtype", "--seed"), *settings]
    return shlex.join(map(str, ["dumo-bench", *words, "--out", root]))


def imported(request: Mapping[str, Any], root: Path) -> str:
    """What brings pictures of another program: FOLDER stands for where they lie."""
    words = ["store", "import", "FOLDER", "--made-by", request["settings"]["made_by"], *_asked(request)]
    return shlex.join(map(str, ["dumo-bench", *words, "--to", root]))


def _asked(request: Mapping[str, Any], *more: str) -> list[Any]:
    """Of which suite, cases and model, as it is typed."""
    words = ["--suite", request["suite"], *(word for case in request.get("cases", ()) for word in ("--case", case))]
    options = {"--model": "model", "--limit": "limit", "--dtype": "dtype", "--seed": "fit_seed"}
    given = [option for option in ("--model", "--limit", *more) if request.get(options[option])]
    return [*words, *(word for option in given for word in (option, request[options[option]]))]


def _toml(value: Any) -> str:
    """A setting as `--set` reads it."""
    return json.dumps(value, ensure_ascii=False)


def _remove(*paths: Path) -> str:
    """How files go, so that the same command makes them again; a folder in the place of one, too."""
    there = [path for path in paths if path.exists()]
    return shlex.join(["rm", *(["-r"] if any(path.is_dir() for path in there) else []), *map(str, there)])
