"""What is said beside results, all through one logger on stderr: messages, and progress of long work.

Progress is a bar with rate and time left on a terminal, a plain line now and then elsewhere; it is INFO, as is what a
program is about to do. The command line shows it; who imports the package does so with `listen(logging.INFO)`.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from dumo_bench.texts import line, plain

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")
EVERY = 10.0  # seconds between two lines in a log
log = logging.getLogger("dumo_bench")


class _Stderr(logging.Handler):
    """Writes to what stderr is when something is said."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        sys.stderr.write(f"{plain(text) if record.exc_info else line(text)}\n")
        sys.stderr.flush()


_HANDLER = _Stderr()


def listen(level: int) -> None:
    """Show what is logged at `level` and above, warnings of libraries included; at DEBUG with its time."""
    _HANDLER.setFormatter(logging.Formatter("%(asctime)s %(message)s" if level <= logging.DEBUG else "%(message)s"))
    logging.captureWarnings(True)
    for logger in (log, logging.getLogger("py.warnings")):
        logger.setLevel(level)
        logger.handlers = [_HANDLER]
        logger.propagate = False


class Bar:
    """`with Bar(label, total) as bar: ... bar.advance(n)`."""

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.done = line(label), total, 0
        self._live: tuple[Progress, TaskID] | None = None
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if self.total and sys.stderr.isatty() and log.isEnabledFor(logging.INFO):
            bar = _rich()
            bar.start()
            self._live = bar, bar.add_task(self.label, total=self.total, rate="")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live[0].stop()
        elif self.total:
            self._say()

    def advance(self, n: int = 1) -> None:
        self.done += n
        if self._live:
            bar, task = self._live
            bar.update(task, advance=n, rate=f"{self.rate:.1f}/s")
        elif time.monotonic() - self._said >= EVERY and self.done < self.total:
            self._say()

    @property
    def rate(self) -> float:
        """Items a second since the beginning."""
        return self.done / max(time.monotonic() - self._began, 1e-9)

    def _say(self) -> None:
        self._said = time.monotonic()
        left = (self.total - self.done) / self.rate if self.done else float("inf")
        rest = f", {left:.0f} s left" if 0 < left < float("inf") else ""
        log.info("%s: %s/%s, %.2f/s%s", self.label, self.done, self.total, self.rate, rest)


def track(items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
    """The items, one after another, with their progress shown; `total` when they have no length."""
    with Bar(label, len(items) if total is None else total) as bar:  # type: ignore[arg-type]
        for item in items:
            yield item
            bar.advance()


def _rich() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
