"""What lies in a results folder and what it takes, by suite and method where that is known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.storage import edits, files, references, table
from dumo_bench.storage.garbage import size

NOBODY = "nobody's"  # the suite of what no run and no table refers to
#: what else lies in a folder of this name
_PLAIN = {
    "runs": "notes of runs",
    "checksums": "checksums",
    "starts": "starting points",
    "attacks": "suites of attacks",
}
#: below which folder what was left that was stopped: what its name ends with, and what it is
_STOPPED = {"edits": (".fit", "stopped fits"), "attacks": (references.SEARCHED, "stopped searches")}


class Line(NamedTuple):
    """Files of one kind, suite and method; "": a kind that has none."""

    what: str
    suite: str
    method: str
    files: int
    bytes: int


def lines(root: Path) -> list[Line]:
    """Everything in the folder, each file once, in the order of kind, suite and method."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder: wanted a results folder")
    counts: dict[tuple[str, str, str], list[int]] = {}
    for what, path in _files(root, Owners(root)):
        counts.setdefault(what, []).append(size(path))
    return [Line(*what, len(sizes), sum(sizes)) for what, sizes in sorted(counts.items())]


class Owners:
    """Whose pictures are whose: by the notes of runs and by the tables."""

    def __init__(self, root: Path) -> None:
        self.of: dict[str, set[tuple[str, str]]] = {}
        for note in references.notes(root).values():
            for group in note.groups:
                self._own(group.pictures, [(group.suite, group.recipe.method)] * len(group.pictures))
        for path in (root / "tables" / "scores").glob("*.parquet"):
            found = table.columns(path, "scores", ("key", "suite", "method")).to_pydict()
            self._own(found["key"], list(zip(found["suite"], found["method"], strict=True)))

    def _own(self, keys: tuple[str, ...] | list[str], names: list[tuple[str, str]]) -> None:
        for key, name in zip(keys, names, strict=True):
            self.of.setdefault(key, set()).add(name)

    def __call__(self, key: str) -> tuple[str, str]:
        """Suite and method; several where they share a picture."""
        found = self.of.get(key)
        if not found:
            return NOBODY, ""
        suites, methods = ({one[n] for one in found} for n in (0, 1))
        return ", ".join(sorted(suites)), ", ".join(sorted(methods))


def _files(root: Path, owner: Owners) -> Iterator[tuple[tuple[str, str, str], Path]]:
    for path in sorted(files.every(root)):
        yield _named(path, path.relative_to(root).parts, owner), path


def _named(path: Path, parts: tuple[str, ...], owner: Owners) -> tuple[str, str, str]:
    """What a file is, whose suite's and whose method's."""
    top = parts[0] if len(parts) > 1 else ""
    if path.suffix == ".partial":
        return "half written", "", ""
    if top == "images" and path.suffix == ".png":
        return "pictures", *owner(path.stem)
    if top == "edits" and path.suffix == ".safetensors":
        return "edits", "", _method(path)
    if (stopped := _STOPPED.get(top)) and parts[1].endswith(stopped[0]):
        return stopped[1], "", ""
    if top == "tables" and path.suffix == ".parquet":
        return f"table {parts[1]}", *_suite(path, parts[1])
    return _PLAIN.get(top, "other files"), "", ""


def _method(path: Path) -> str:
    try:
        return edits.recipe(path).method
    except UserError:
        return ""


def _suite(path: Path, name: str) -> tuple[str, str]:
    """Of a part of the tables of scores: its suite and its method."""
    if name not in ("scores", "sets"):
        return "", ""
    found = table.columns(path, name, ("suite", "method")).to_pydict()
    return ", ".join(sorted(set(found["suite"]))), ", ".join(sorted(set(found["method"])))
