"""Writing beside computing: files are encoded and written on threads while the next batch is sampled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

WORKERS = 4  # encoding a PNG releases the interpreter
WAITING = 64  # pictures that may wait: their pixels are held in memory


class Writer:
    """Calls that are made on threads, in a `with` block that ends when all have returned.

    The first call that raises ends the block with its error: at the next `submit`, or at the end. Where the block
    itself raises, what was submitted is still done.
    """

    def __init__(self, workers: int = WORKERS, waiting: int = WAITING) -> None:
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="writer")
        self.waiting = waiting
        self.calls: deque[Future[object]] = deque()

    def submit(self, call: Callable[..., object], *given: object) -> None:
        """Make a call soon; waits where too many wait already."""
        while self.calls and (self.calls[0].done() or len(self.calls) >= self.waiting):
            self.calls.popleft().result()
        self.calls.append(self.pool.submit(call, *given))

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pool.shutdown(wait=True)
        if error is None:
            for call in self.calls:
                call.result()
