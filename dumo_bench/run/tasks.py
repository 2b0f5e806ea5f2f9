"""What a run is made of: tasks, each of which any process can do that has the same request and sees the same folder.

An engine (`dumo_bench/engines`) says where they are done. `do` is the one worker: every engine calls it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from dumo_bench import progress
from dumo_bench.errors import UserError
from dumo_bench.hosts import device, memory
from dumo_bench.progress import log
from dumo_bench.run.room import Room
from dumo_bench.run.score import Measured, score
from dumo_bench.types import Job, Sample

if TYPE_CHECKING:
    from dumo_bench.run.plan import Part
    from dumo_bench.run.session import Session


@dataclass(frozen=True, slots=True)
class Fit:
    """Learn the edit of a recipe, named by its key."""

    recipe: str

    @property
    def size(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Make:
    """Make pictures of one recipe. They are whole batches, unless they are the last ones."""

    recipe: str
    jobs: tuple[Job, ...]

    @property
    def size(self) -> int:
        return len(self.jobs)


@dataclass(frozen=True, slots=True)
class Measure:
    """Score the pictures `start` to `stop` of a case and a recipe.

    about: the columns of a table that a picture does not know; altered: the keys of the pictures that are not as they
    were made.
    """

    case: str
    recipe: str
    scorers: tuple[str, ...]
    start: int
    stop: int
    about: Mapping[str, Any]
    altered: frozenset[str]

    @property
    def size(self) -> int:
        return (self.stop - self.start) * len(self.scorers)


@dataclass(frozen=True, slots=True)
class Try:
    """Sample a batch of pictures of the unedited model and keep none: what it costs is what is wanted."""

    recipe: str
    jobs: tuple[Job, ...]

    @property
    def size(self) -> int:
        return len(self.jobs)


Task: TypeAlias = Fit | Make | Measure | Try


class Done(NamedTuple):
    """What came of a task: how long it took, the pictures that failed, each with its reason, what was measured, of a
    trial the memory in bytes at the peak, and how many pictures were made: another run may have made the others."""

    seconds: float
    failed: Sequence[tuple[Job, str]] = ()
    measured: Measured = Measured(0, 0)
    memory: int | None = None
    made: int = 0


class Engine(Protocol):
    """Where tasks are done."""

    def share(self, batches: int, most: int) -> int:
        """How many of so many batches one task should hold, where it may hold `most`."""
        ...

    def each(self, session: Session, tasks: Sequence[Task], label: str) -> Iterator[tuple[Task, Done]]:
        """Do every task once; gives each when it is done, in whatever order. A recipe is fitted before it is used."""
        ...

    def __enter__(self) -> Engine: ...

    def __exit__(self, *error: object) -> None: ...


def do(session: Session, task: Task) -> Done:
    """Do a task, here and now. What is done already is not done again. Memory that is full is said in one line."""
    try:
        return _do(session, task)
    except Exception as error:
        if isinstance(error, UserError) or not memory.full(error):
            raise
        raise UserError(
            f"{named(session, task)}: {memory.said(error)}: try --dtype float16, or a device with more memory; all "
            "that was made is kept"
        ) from error


def _do(session: Session, task: Task) -> Done:
    began = time.monotonic()
    if isinstance(task, Measure):
        measured = _measure(session, task)
        return Done(time.monotonic() - began, measured=measured)
    from dumo_bench.run import work

    part = session.part(task.recipe)
    if isinstance(task, Try):
        return Done(
            work.tried(session.host, task.jobs, session.batch_size), memory=work.memory(session.host)["peak_memory"]
        )
    if isinstance(task, Fit):
        host = session.host  # a model that cannot be loaded is said first
        log.info(named(session, task))
        work.fit_part(host, part, session.store)
        return Done(time.monotonic() - began)
    room = session.rooms.setdefault(task.recipe, Room(session.batch_size))
    made = work.generate(session.host, part.method, task.jobs, session.store, room)
    return Done(time.monotonic() - began, made.failed, made=made.pictures)


def named(session: Session, task: Task) -> str:
    """A task in a few words."""
    recipe = session.part(task.recipe).recipe
    verb = {Fit: "fit", Make: "make", Measure: "score", Try: "probe"}[type(task)]
    return f"{verb} {recipe.method}: {' + '.join(recipe.erase)}".removesuffix(": ")


def drawable(session: Session) -> None:
    """Refuse noise that this machine cannot draw, before anything is fitted."""
    import torch

    if session.plan.contract.noise == "cuda" and not torch.cuda.is_available():
        raise UserError(
            'noise = "cuda" in [sampling] needs a GPU, which is not here; noise = "cpu" makes other pictures'
        )


def _measure(session: Session, task: Measure) -> Measured:
    device.use(session.device)
    part = session.part(task.recipe, task.case)
    scorers = [session.scorer(spec) for spec in task.scorers]
    found = samples(session, part, task)
    with progress.Bar(f"score {part.recipe.method}: {part.case.name}", task.size) as bar:
        return score(found, scorers, session.out / "tables", task.about, bar.advance)


def samples(session: Session, part: Part, task: Measure) -> list[Sample]:
    """The rows of a task with their pictures and those of the unedited model."""
    reference = next(ref for ref in session.plan.reference if ref.case == part.case)
    there = slice(task.start, task.stop)
    rows, bases = part.rows[there], reference.rows[there]
    paths = [
        path.with_suffix(".altered") if path.stem in task.altered else path  # is not there: not scored
        for path in session.store.pictures(row.job for row in (*rows, *bases))
    ]
    return [
        Sample(row.job, row.prompt, row.draw, row.case, row.role, path, original)
        for row, path, original in zip(rows, paths[: len(rows)], paths[len(rows) :], strict=True)
    ]
