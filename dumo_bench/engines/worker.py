"""A worker of a cluster: a process with a session of its own, which holds its model from one task to the next."""

from __future__ import annotations

import os
import signal
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.run.session import Session
from dumo_bench.run.tasks import Done, Task, do, named

if TYPE_CHECKING:
    from dumo_bench.run.plan import Request


@dataclass(frozen=True, slots=True)
class Terms:
    """What a worker is told: the request, where it was typed, and what it must come to there."""

    request: Request
    out: Path
    device: str
    batch_size: int
    where: Path
    threads: int | None  # None: as torch chooses
    means: tuple[str, str]  # hashes of the suite and of the model


class Worker:
    """One process of the cluster."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms

    def ready(self) -> str | UserError:
        """Where it runs; a UserError where the request means something else there."""
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # of a node that ends: Ray's handler calls sys.exit in the task
        try:
            self.session = self._session()
            found = self.session.plan
        except UserError as error:
            return error
        if (found.content, found.model_hash) != self.terms.means:
            return UserError(
                f"{os.uname().nodename} has another suite or model under the same name: wanted one shared disk, and "
                "the same dumo-bench and models on every node"
            )
        return f"process {os.getpid()} on {os.uname().nodename}"

    def _session(self) -> Session:
        if self.terms.threads:
            os.environ["OMP_NUM_THREADS"] = str(self.terms.threads)  # torch looks at it when it is imported, below
        try:
            os.chdir(self.terms.where)
        except OSError as error:
            raise UserError(
                f"{os.uname().nodename} does not see {self.terms.where}: every node of the cluster must, and --out too"
            ) from error
        return Session(self.terms.request, self.terms.out, Local(), self.terms.device, self.terms.batch_size)

    def do(self, task: Task) -> Done | Exception:
        """Do a task; what it raises is returned, since Ray would wrap it."""
        try:
            return do(self.session, task)
        except SystemExit as stop:
            return UserError(f"{named(self.session, task)}: a plugin or a library called sys.exit({stop.code!r})")
        except Exception as error:
            error.add_note(traceback.format_exc())
            return error
