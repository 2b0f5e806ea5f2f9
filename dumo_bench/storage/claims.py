"""Who is fitting an edit: of several programs that share a folder one does it, the others wait.

A claim is a file that exists, `<name>.claim1`. It asks little of a store, so that a bucket can be one: a file is
created only if it is absent (O_EXCL; If-None-Match on object stores), names are listed, one's own file is written over,
and files are deleted. Nothing is renamed or locked, and no two clocks are compared: its holder writes another beat into
it every few seconds, and whoever waits gives it up when it has not changed for a while of his own time. He then creates
the next number, which only one of those who wait can. Should a holder come back after that, an edit is made twice, and
written once: equal recipes give equal edits.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.progress import log
from dumo_bench.storage import durable, remote
from dumo_bench.storage.files import full_disk

BEAT = 5.0  # seconds between two signs of life
EXPIRY = 60.0  # seconds without one after which a claim is given up
LOOK = 0.5  # seconds between two looks at another's claim


@contextmanager
def claimed(path: Path, done: Callable[[], bool], what: str) -> Iterator[bool]:
    """True: inside, it is ours to do. False: it is done. Waits for another who is at it, and says so of `what`."""
    mine = _taken(path, done, what)
    if mine is None:
        yield False
        return
    stop = threading.Event()
    beating = threading.Thread(target=_beat, args=(mine, stop), daemon=True)
    beating.start()
    try:
        yield not done()  # it may have been finished between the last look and the claim
    finally:
        stop.set()
        beating.join()
        mine.unlink(missing_ok=True)


def _taken(path: Path, done: Callable[[], bool], what: str) -> Path | None:
    """Our claim; None when what was to be done is done."""
    watch, told = _Watch(), False
    while not done():
        last = _last(path)
        if last == 0 or watch.over(_place(path, last)):
            if _created(_place(path, last + 1)):
                for n in range(1, last + 1):
                    _place(path, n).unlink(missing_ok=True)
                return _place(path, last + 1)
            continue
        if not told:
            theirs = _place(path, last)
            log.info(f"{what}: {_who(theirs)} is at it: waiting (if nothing runs there, delete {theirs})")
            told = True
        time.sleep(LOOK)
    return None


@dataclass
class _Watch:
    """What somebody's claim said when it last changed, and when that was by our own clock."""

    seen: tuple[Path, str] | None = None
    since: float = field(default_factory=time.monotonic)

    def over(self, claim: Path) -> bool:
        """Whether its holder is gone: a process of this machine that does not run, or no sign of life for long."""
        now = claim, _text(claim)
        if now != self.seen:
            self.seen, self.since = now, time.monotonic()
        return _gone(now[1]) or time.monotonic() - self.since > EXPIRY


def _place(path: Path, n: int) -> Path:
    return path.with_name(f"{path.name}.claim{n}")


def _last(path: Path) -> int:
    """The number of the claim that counts; 0: nobody's."""
    ends = (one.name.removeprefix(f"{path.name}.claim") for one in path.parent.glob(f"{path.name}.claim*"))
    return max((int(end) for end in ends if end.isdecimal()), default=0)


def _created(claim: Path) -> bool:
    """Whether we made the file; False where it was there."""
    if remote.far(claim):
        return remote.create(claim, _said(0).encode())
    with full_disk(claim.parent):
        durable.make(claim.parent)
        try:
            with claim.open("x", encoding="utf-8") as stream:
                stream.write(_said(0))
        except FileExistsError:
            return False
        except OSError:
            claim.unlink(missing_ok=True)  # the disk is full: an empty claim would be waited for
            raise
    return True


def _beat(claim: Path, stop: threading.Event) -> None:
    n = 0
    while not stop.wait(BEAT):
        n += 1
        with suppress(OSError, UserError):
            _written(claim, _said(n))


def _written(claim: Path, text: str) -> None:
    """Write over a claim that is there: one that was given up and taken is not made anew."""
    if remote.far(claim):
        with remote.answers(claim):
            there = claim.exists()
        if there:  # should it go now, it comes back as an old number, which is waited for at most as long as any
            remote.write(claim, lambda stream: stream.write(text.encode()))
        return
    with claim.open("r+", encoding="utf-8") as stream:
        stream.write(text)


def _said(beat: int) -> str:
    return json.dumps({"host": platform.node(), "pid": os.getpid(), "beat": f"{beat:012d}"})


def _text(claim: Path) -> str:
    try:
        return claim.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _held(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _gone(text: str) -> bool:
    """Whether a claim is of a process of this machine that no longer runs."""
    said = _held(text)
    if os.name == "nt":
        return False  # there os.kill(pid, 0) is Ctrl-C: whoever waits, waits for EXPIRY
    if said.get("host") != platform.node() or not isinstance(said.get("pid"), int):
        return False
    try:
        os.kill(said["pid"], 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False  # another user's, and so there
    return False


def gone(claim: Path) -> bool:
    """Whether a claim is of a process of this machine that no longer runs."""
    return _gone(_text(claim))


def _who(claim: Path) -> str:
    said = _held(_text(claim))
    return f"process {said.get('pid', '?')} on {said.get('host', 'another machine')}"
