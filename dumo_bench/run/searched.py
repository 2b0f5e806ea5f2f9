"""What a search has found so far, a line of JSON a prompt, beside the suite that it becomes: a search that was stopped
goes on behind it. It goes when the suite is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.storage import files
from dumo_bench.storage.references import SEARCHED
from dumo_bench.storage.store import Store
from dumo_bench.suites import attacked
from dumo_bench.types import Found, Start

_COST = ("texts", "forwards", "seconds", "draws")


class Searched:
    """The prompts of one suite that were found, in order."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.path = store, path(store.root, name)
        self.lines: list[str] = []

    def read(self, most: int) -> list[Found]:
        """What was found, at most so many; what stands behind a line that cannot be read is searched for again."""
        found: list[Found] = []
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines[:most]:
            try:
                found.append(self._found(json.loads(line)))
            except (ValueError, KeyError, TypeError, UserError):
                break
        self.lines = lines[: len(found)]
        return found

    def add(self, one: Found) -> None:
        """Keep the next one, its starting point first."""
        start = self.store.put_start(one.start) if one.start else ""
        cost = {"texts": one.texts, "forwards": one.forwards, "seconds": one.seconds, "draws": one.draws}
        self.lines.append(json.dumps({"text": one.text, "measured": dict(one.measured), "start": start, **cost}))
        files.write_text(self.path, "".join(f"{line}\n" for line in self.lines))

    def _found(self, said: dict[str, Any]) -> Found:
        start = self._start(said["start"]) if said["start"] else None
        return Found(said["text"], said["measured"], start=start, **{name: said[name] for name in _COST})

    def _start(self, key: str) -> Start:
        """A broken one makes room for the same, which is found again."""
        try:
            return self.store.get_start(key)
        except UserError:
            self.store.start_path(key).unlink(missing_ok=True)
            raise


def path(root: Path, name: str) -> Path:
    """Where it lies: beside the suite of this name."""
    return root / attacked.FOLDER / f"{name}{SEARCHED}"


def forget(root: Path, name: str) -> None:
    """The suite is written."""
    path(root, name).unlink(missing_ok=True)
