"""How many pictures of an edit the memory takes at once: half as many where it is full, for all that are left."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from dumo_bench.hosts import memory
from dumo_bench.progress import log
from dumo_bench.run.jobs import batches
from dumo_bench.types import Job

if TYPE_CHECKING:
    from torch import Tensor

Sampled: TypeAlias = "tuple[Tensor, list[str]]"  # pictures (B, h, w, 3), and of each why it is none


@dataclass
class Room:
    """batch: pictures sampled at once. pixels: of a picture that is too large even alone; larger ones are not tried."""

    batch: int
    pixels: float = math.inf
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.batch} pictures at once" if self.batch > 1 else "one picture at a time"

    def sampled(
        self,
        jobs: Sequence[Job],
        sample: Callable[[list[Job]], Sampled],
        what: str,
        missing: Callable[[list[Job]], list[Job]] = list,
    ) -> Iterator[tuple[list[Job], Sampled | None]]:
        """Batches of the jobs with their pictures, every batch full; without pictures where not even one has room.

        what: whose pictures they are, to say so where a batch is halved. missing: those of a batch that another program
        has not made meanwhile.
        """
        waiting = deque(batches(jobs, self.batch, strewn=True))
        while waiting:
            if not (batch := missing(waiting.popleft())):
                continue
            found = self._tried(batch, sample)
            if found is None and _pixels(batch[0]) < self.pixels:
                log.warning(f"{what}: {self.reason}: {self} from here on, as each of them says")
                waiting = deque(batches([job for some in (batch, *waiting) for job in some], self.batch))
                continue
            yield batch, found

    def _tried(self, batch: list[Job], sample: Callable[[list[Job]], Sampled]) -> Sampled | None:
        """The pictures; None where there is no room for them: then there is from now on less of it."""
        if _pixels(batch[0]) >= self.pixels:
            return None
        try:
            return sample(full(batch, self.batch))
        except Exception as error:
            if not memory.full(error):
                raise
            self._shrink(batch[0], memory.said(error))
        memory.release()
        return None

    def _shrink(self, job: Job, why: str) -> None:
        size = f"{job.sampling.width} x {job.sampling.height}"
        if self.batch > 1:
            self.reason = f"no room for {self.batch} pictures of {size} at once: {why}"
            self.batch //= 2
            return
        self.pixels = _pixels(job)
        self.reason = (
            f"no room for one picture of {size}: {why}; try a suite of smaller pictures, --dtype float16, or a device "
            "with more memory"
        )


def _pixels(job: Job) -> int:
    return job.sampling.width * job.sampling.height


def full(batch: Sequence[Job], size: int) -> list[Job]:
    """The batch with its last job repeated up to `size`: libraries round differently in batches of another size.

    A row's place in a batch counts as well where threads share the rows out unevenly; with one thread it does not.
    """
    return [*batch, *[batch[-1]] * (size - len(batch))]
