"""The real program in a process of its own, killed just before the n-th time that it changes its results folder.

Between two changes the folder is the same, so a kill at any other moment is one of these. The processes are forked from
a server that has imported everything, so that each begins at once.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: what a stage changes, by the first name below the results folder; all else is of scores, tables and manifests
STAGES = {"edits": "fit", "images": "generate", "checksums": "generate"}
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["dumo_bench.cli.app", "dumo_bench.run.work", "diffusers", "transformers"])


@dataclass
class Moment:
    """The n-th change of a stage to a folder, from 1; 0: never."""

    out: Path
    stage: str = ""
    n: int = 0
    seen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("fit", "generate", "score"), 0))

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        """An audit hook: what the interpreter is about to do (https://docs.python.org/3/library/audit_events.html)."""
        if event not in CHANGES and not (event == "open" and isinstance(given[2], int) and given[2] & WRITES):
            return
        if not isinstance(given[0], str | Path) or not Path(given[0]).is_relative_to(self.out):
            return
        below = Path(given[0]).relative_to(self.out).parts
        stage = STAGES.get(below[0], "score") if below else "fit"
        self.seen[stage] += 1
        if (stage, self.seen[stage]) == (self.stage, self.n):
            os.kill(os.getpid(), signal.SIGKILL)


def _program(argv: Sequence[str], log: str, moment: Moment, told: Any) -> None:
    import torch

    from dumo_bench.cli.app import main
    from dumo_bench.kit import resume

    torch.set_num_threads(1)  # as equal bytes need (docs/conventions.md)
    resume.EVERY = 0.0  # every step of a fit is kept
    with Path(log).open("a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    sys.addaudithook(moment)
    try:
        main(list(argv))
    finally:
        told.send(moment.seen)


def run(argv: Sequence[object], log: Path, moment: Moment) -> tuple[int, dict[str, int]]:
    """Exit code (-9: killed), and how many changes each stage made where it came to its end."""
    mine, theirs = SERVER.Pipe()
    process = SERVER.Process(target=_program, args=([str(one) for one in argv], str(log), moment, theirs))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, mine.recv() if mine.poll() else {}
