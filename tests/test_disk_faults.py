"""A disk that is full, may only be read, or refuses: one line, nothing half written; once it is mended the same command
ends as a run that nothing disturbed."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dumo_bench.storage import table

FULL = (errno.ENOSPC, errno.EDQUOT)
#: what a run writes, in its order: the first name below its folder, or "." for what lies in the folder itself
KINDS = ("edits", "checksums", "images", "tables", "runs", ".")


class Short(io.FileIO):
    """A file on a disk that fills up as it is written: half of what is given fits."""

    def __init__(self, path: Path, mode: str, error: int) -> None:
        super().__init__(path, mode)
        self.error, self.full = error, False

    def write(self, raw: Any) -> int:
        if self.full:
            raise OSError(self.error, os.strerror(self.error), str(self.name))
        self.full = True
        return super().write(bytes(raw)[: len(raw) // 2])


@dataclass
class Disk:
    """What a folder is on: it fails at the `after`-th file of a kind and from then on."""

    root: Path
    error: int
    kind: str
    after: int = 0
    failed: bool = False

    @contextmanager
    def installed(self) -> Iterator[Disk]:
        real = Path.open

        def opened(path: Path, mode: str = "r", *given: Any, **more: Any) -> Any:
            if not (path.is_relative_to(self.root) and set(mode) & set("wax+") and self._fails(path)):
                return real(path, mode, *given, **more)
            if self.error not in FULL:
                raise OSError(self.error, os.strerror(self.error), str(path))
            stream = io.BufferedWriter(Short(path, mode.replace("b", ""), self.error))
            return stream if "b" in mode else io.TextIOWrapper(stream, encoding="utf-8")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "open", opened)
            yield self

    def _fails(self, path: Path) -> bool:
        below = path.relative_to(self.root)
        if (below.parts[0] if len(below.parts) > 1 else ".") == self.kind and ".claim" not in below.name:
            self.after -= 1
        self.failed = self.failed or self.after < 0
        return self.failed


def argv(suite: Path, out: Path) -> list[object]:
    more = ("--device", "cpu", "--batch-size", "2", "--scorers", "clip_score,likeness")
    return ["run", "-m", "uce", "-s", suite, "-o", out, *more]


def same(one: Path, other: Path) -> None:
    pictures = [{path.name: path.read_bytes() for path in out.glob("images/*/*.png")} for out in (one, other)]
    assert pictures[0] == pictures[1] != {}
    for name in ("scores", "sets"):
        rows = [sorted(map(repr, table.records(table.read(out / "tables", name)))) for out in (one, other)]
        assert rows[0] == rows[1] != []
    both = [
        sorted(map(repr, table.records(table.read_file(out / "summary.parquet", "summary")))) for out in (one, other)
    ]
    assert both[0] == both[1] != []


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES], ids=errno.errorcode.get)
def test_a_disk_that_fails_anywhere_is_one_line_and_the_run_goes_on_where_it_was(command, tiny_suite, tmp_path, error):
    """It fails at a file of each kind, one after another, each time after one or two that were written."""
    calm, out = tmp_path / "calm", tmp_path / "out"
    assert command(*argv(tiny_suite, calm)).code == 0
    for n, kind in enumerate(KINDS):
        with Disk(out, error, kind, n % 3 if kind in ("checksums", "images", "tables") else 0).installed() as disk:
            said = command(*argv(tiny_suite, out))
        assert disk.failed, kind
        last = said.err.splitlines()[-1]
        assert said.code == 2 and last.startswith("dumo-bench: ") and "Traceback" not in said.err, said.err
        assert ("is full: free some space" if error in FULL else os.strerror(error)) in last
        assert list(out.rglob("*.partial")) == [] and list(out.rglob("*.claim*")) == []
    assert command(*argv(tiny_suite, out)).code == 0
    same(calm, out)
