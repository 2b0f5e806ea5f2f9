"""Tasks spread over the workers of a Ray cluster, which sees one results folder at one path.

A worker is an actor: a process with a GPU, or with some CPU cores, and a session of its own. It is given one task at a
time and holds its model from one task to the next. There are as many as the living nodes have room for, looked at
again and again: so one that is killed is replaced, those of a node that is lost are not, and a node that joins gets
some. The task of a worker that died is done again; nothing is lost by that, since whatever a task has finished lies in
the results folder, and what is there is not made again.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dumo_bench.engines.cluster import Cluster
from dumo_bench.engines.worker import Terms, Worker
from dumo_bench.errors import UserError
from dumo_bench.progress import Bar, log
from dumo_bench.run.tasks import Done, Fit, Make, Task, named

if TYPE_CHECKING:
    from dumo_bench.run.session import Session

LOOK = 5.0  # seconds between two looks at which nodes there are
DEATHS = 5  # of workers over one task, or before a first one is ready; then it is no accident


@dataclass(eq=False)
class Ray:
    """The engine of a cluster."""

    cluster: Cluster = field(default_factory=Cluster)
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, Task | None]] = field(default_factory=dict)  # what is awaited: its worker and its task
    deaths: Counter[int] = field(default_factory=Counter)  # by the id of the task

    def share(self, batches: int, most: int) -> int:
        """At least two tasks a worker where that goes, so that they end together."""
        return max(1, min(most, batches // (2 * max(1, self.cluster.room))))

    def each(self, session: Session, tasks: Sequence[Task], label: str) -> Iterator[tuple[Task, Done]]:
        """Do the tasks, in their order as far as workers are free and fits are done."""
        if not tasks:
            return
        if session.store.private:
            raise UserError(f"--engine ray: {session.out} is the memory of one process: workers need another --out")
        if not self.cluster.room:
            raise UserError(f"--engine ray: no node has room for a worker: {self.cluster.wanted}")
        waiting, fits = deque(tasks), {task.recipe for task in tasks if isinstance(task, Fit)}
        self.deaths.clear()
        with Bar(f"{label}, {self.cluster.room} workers", sum(task.size for task in tasks)) as bar:
            left = len(tasks)
            while left:
                self._hire(session, left)
                self._give(session, waiting, fits)
                for task, done in self._returned(session, waiting):
                    left -= 1
                    fits -= {task.recipe} if isinstance(task, Fit) else set()
                    bar.advance(task.size)
                    yield task, done

    def _give(self, session: Session, waiting: deque[Task], fits: set[str]) -> None:
        """Give every idle worker the first task that waits for no fit."""
        while self.idle:
            task = next((one for one in waiting if not (isinstance(one, Make) and one.recipe in fits)), None)
            if task is None:
                return
            waiting.remove(task)
            if isinstance(task, Fit):
                log.info(named(session, task))
            worker = self.idle.pop()
            self.busy[worker.do.remote(task)] = worker, task

    def _returned(self, session: Session, waiting: deque[Task]) -> Iterator[tuple[Task, Done]]:
        """What has been done by now; the task of a worker that died waits again."""
        import ray
        from ray.exceptions import ObjectLostError, RayActorError

        if not self.busy:  # every node is lost
            time.sleep(LOOK)
            return
        for future in ray.wait([*self.busy], timeout=LOOK)[0]:
            worker, task = self.busy.pop(future)
            try:
                found = ray.get(future)
            except (RayActorError, ObjectLostError) as error:
                _end(worker)
                waiting.extendleft([task] if task else [])
                self._died(session, task, str(error))
                continue
            if isinstance(found, Exception):
                raise found
            self.idle.append(worker)
            if task:
                yield task, found
            else:
                self.deaths[id(None)] = 0

    def _died(self, session: Session, task: Task | None, why: str) -> None:
        what = f"at: {named(session, task)}" if task else "before it was ready"
        self.deaths[id(task)] += 1
        if self.deaths[id(task)] >= DEATHS:
            raise UserError(f"--engine ray: {DEATHS} workers died {what}: {why.strip().splitlines()[-1]}")
        log.warning(f"a worker died {what}: another one does it")

    def _hire(self, session: Session, most: int) -> None:
        """Start workers where there is room for more."""
        import ray

        gpus, cpus = self.cluster.size
        for _ in range(min(self.cluster.room, most) - len(self.idle) - len(self.busy)):
            actor: Any = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Worker)
            worker = actor.remote(self._terms(session))
            self.busy[worker.ready.remote()] = worker, None

    def _terms(self, session: Session) -> Terms:
        gpus, cpus = self.cluster.size
        plan, request = session.plan, replace(session.request, shard=(0, 1))
        means = plan.content, plan.model_hash
        threads = None if gpus else cpus
        return Terms(
            request, session.out.resolve(), self.cluster.device, session.batch_size, Path.cwd(), threads, means
        )

    def __enter__(self) -> Self:
        self.cluster.reach()
        return self

    def __exit__(self, *error: object) -> None:
        """End the workers; whatever they had finished is in the folder."""
        for worker in [*self.idle, *(worker for worker, _ in self.busy.values())]:
            _end(worker)
        self.cluster.leave()


def _end(worker: Any) -> None:
    import ray

    ray.kill(worker)
