"""Tasks one after another, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from dumo_bench.run.tasks import Done, Make, Task, do, drawable

if TYPE_CHECKING:
    from dumo_bench.run.session import Session


class Local:
    """The engine of one process and one device."""

    def share(self, batches: int, most: int) -> int:
        """All of them: what one task needs is prepared once."""
        return max(batches, 1)

    def each(self, session: Session, tasks: Sequence[Task], label: str) -> Iterator[tuple[Task, Done]]:
        """Do the tasks in their order; each shows its own progress."""
        if any(isinstance(task, Make) for task in tasks):
            drawable(session)
        for task in tasks:
            yield task, do(session, task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing is held."""
