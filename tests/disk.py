"""A disk that loses its power: what had reached it, of a folder that the real program wrote to.

`Disk` stands between the program and the system: every call goes through to the real file system, and what `fsync`
made safe is noted. It is as unkind as POSIX allows: content that was not synced is gone, and a name that was not synced
is there or not, whichever is asked for.
"""

from __future__ import annotations

import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Names = dict[str, int]  # of a folder: what each name leads to


@dataclass
class Disk:
    """The calls in their order, and what was safe after each of them."""

    root: Path
    calls: list[tuple[str, str]] = field(default_factory=list)
    safe: dict[int, bytes] = field(default_factory=dict)  # content by inode, as it was last synced
    names: dict[int, Names] = field(default_factory=dict)  # of folders by inode, as they were last synced
    moments: list[dict[str, Any]] = field(default_factory=list)
    one_call: threading.Lock = field(default_factory=threading.Lock)  # pictures are written by several threads

    def install(self, monkeypatch: Any) -> Disk:
        """Watch the calls of this process."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.names[self.root.stat().st_ino] = {}
        for name in ("fsync", "replace"):
            monkeypatch.setattr(os, name, getattr(self, name)(getattr(os, name)))
        return self

    def fsync(self, real: Any) -> Any:
        def call(number: int) -> None:
            about, path = os.fstat(number), Path(os.readlink(f"/proc/self/fd/{number}"))
            with self.one_call:
                real(number)
                if path.is_relative_to(self.root):
                    self._synced(about, path)

        return call

    def replace(self, real: Any) -> Any:
        def call(source: Any, target: Any) -> None:
            with self.one_call:
                real(source, target)
                if Path(target).is_relative_to(self.root):
                    self._note("rename", Path(target))

        return call

    def _synced(self, about: os.stat_result, path: Path) -> None:
        if stat.S_ISDIR(about.st_mode):
            self.names[about.st_ino] = _names(path)
            self._note("fsync folder", path)
        else:
            self.safe[about.st_ino] = path.read_bytes()
            self._note("fsync file", path)

    def _note(self, what: str, path: Path) -> None:
        self.calls.append((what, path.relative_to(self.root).as_posix()))
        self.moments.append({"safe": dict(self.safe), "names": dict(self.names), "now": self._now()})

    def _now(self) -> dict[int, Names]:
        folders = [self.root, *(path for path in self.root.rglob("*") if path.is_dir())]
        return {one.stat().st_ino: _names(one) for one in folders}

    def left(self, moment: int, *, names: str = "safe") -> dict[str, bytes]:
        """The files after a loss of power at a moment (-1: the last); names: those that are "safe", or all of "now"."""
        then = self.moments[moment]
        folders = then["names" if names == "safe" else "now"]
        every = then["now"].keys()

        def below(folder: int, at: str) -> dict[str, bytes]:
            found: dict[str, bytes] = {}
            for name, leads in folders.get(folder, {}).items():
                if leads in every:
                    found |= below(leads, f"{at}{name}/")
                else:
                    found[f"{at}{name}"] = then["safe"].get(leads, b"")
            return found

        return below(self.root.stat().st_ino, "")


def _names(folder: Path) -> Names:
    """What a folder lists; inodes as it says them, for what another thread deletes has no `stat`."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.inode() for entry in entries}


def restored(files: dict[str, bytes], folder: Path) -> Path:
    """What a disk held, as a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder
