"""A fit that was stopped goes on where it was, and ends with the edit it would have had.

Whoever wants that opens `at(folder)` around the fit; a trainer opens `stage` around each of its loops. Outside of `at`
nothing is kept.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dumo_bench.errors import UserError
from dumo_bench.storage import files


class Stateful(Protocol):
    """What a loop has to remember: tensors, numbers, lists and dicts of them."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Together:
    """Several things that one loop has to remember, by their names."""

    parts: Mapping[str, Stateful]

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, kept: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(kept[name])


@dataclass(slots=True)
class Folder:
    """Where the stages of one fit are kept, one file each. about: what `about.json` beside them says; earlier: seconds
    spent before this time.
    """

    path: Path
    every: float
    about: str = ""
    stages: int = 0
    earlier: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def next(self) -> Path:
        self.stages += 1
        return self.path / f"{self.stages}.pt"

    def keep(self, stage: Path, state: Mapping[str, Any]) -> None:
        """Write the state of a stage, and beside the first one what the fit is of."""
        if self.about and not (self.path / ABOUT).exists():
            files.write_text(self.path / ABOUT, self.about + "\n")
        _write(stage, {"state": state, "seconds": self.seconds})

    @property
    def seconds(self) -> float:
        """Spent on the fit so far, over all times it was started."""
        return self.earlier + time.monotonic() - self.began


ABOUT = "about.json"
EVERY = 60.0  # seconds of work that may be lost
_NOW: ContextVar[Folder | None] = ContextVar("resume", default=None)


@contextmanager
def at(path: Path, every: float | None = None, about: str = "") -> Iterator[Folder]:
    """Keep what is fitted inside in a folder, once in so many seconds; the folder goes when all went well.

    about: what the fit is of, as JSON.
    """
    folder = Folder(path, EVERY if every is None else every, about)
    token = _NOW.set(folder)
    try:
        yield folder
    finally:
        _NOW.reset(token)
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def stage(state: Stateful) -> Iterator[Callable[[bool], None]]:
    """Give a loop the state it was stopped with, and what it calls after every step, saying whether it was the last."""
    folder = _NOW.get()
    if folder is None:
        yield lambda last: None
        return
    path, saved = folder.next(), time.monotonic()
    if path.exists():
        folder.earlier = max(folder.earlier, _read(path, state))

    def after(last: bool) -> None:
        nonlocal saved
        if last or time.monotonic() - saved >= folder.every:
            folder.keep(path, state.state_dict())
            saved = time.monotonic()

    yield after


def _read(path: Path, state: Stateful) -> float:
    import torch

    try:
        kept: Mapping[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        state.load_state_dict(kept["state"])
    except Exception as error:
        raise UserError(f"{path}: the stopped fit cannot be read: delete {path.parent} to begin anew") from error
    return float(kept["seconds"])


def _write(path: Path, what: Mapping[str, Any]) -> None:
    import torch

    files.write(path, lambda stream: torch.save(what, stream))
