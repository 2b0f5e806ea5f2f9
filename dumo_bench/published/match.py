"""Published numbers, each with the one of ours that comes closest, and what may be said of the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dumo_bench.published.averages import averaged
from dumo_bench.published.counts import counted
from dumo_bench.published.numbers import Published
from dumo_bench.published.ours import Ours
from dumo_bench.published.tables import Results

_PARTIAL = {True: ", partial", False: "", None: ", may be partial"}


@dataclass(frozen=True, slots=True)
class Line:
    """A published number with our closest one; without ours, `why` may say what stands between."""

    published: Published
    ours: Ours | None = None
    why: str = ""

    @property
    def apart(self) -> str:
        """Why the two stand side by side without a difference, if they do: a set's number depends on its n."""
        if self.ours is None or not self.published.of_sets or self.ours.n == self.published.n:
            return ""
        return "its n is not known" if self.published.n is None else "n differs"

    @property
    def difference(self) -> float | None:
        return None if self.ours is None or self.apart else self.ours.value - self.published.value

    @property
    def partial(self) -> bool | None:
        """Whether ours is of fewer pictures than its suite has, or than the published number; None: not known."""
        if self.ours is None:
            return None
        return self.ours.partial if self.published.n is None else self.ours.partial or self.ours.n < self.published.n

    @property
    def verdict(self) -> str:
        if self.ours is None:
            return self.why
        said = "differs"
        if self.ours.low is None or self.ours.high is None:
            said = "no interval"
        elif self.ours.low <= self.published.value <= self.ours.high:
            said = "agrees"
        return f"{self.apart or said}{_PARTIAL[self.partial]}"


def compare(rows: Sequence[Published], results: Results) -> list[Line]:
    """Each published number with ours under the convention that comes closest."""
    return [_line(row, results) for row in rows]


def _line(row: Published, results: Results) -> Line:
    if row.suite in results.elsewhere:
        return Line(row, None, f"ours is of {' and '.join(sorted(set(results.foreign.values())))}, another model")
    found = [*counted(row, results), *averaged(row, results)] if row.name else []
    whole = [one for one in found if row.unit != "count" or row.n is None or one.n == row.n]
    if not whole:
        return Line(row, None, f"ours is of {found[0].n} pictures, a count of {row.n}" if found else "")
    lines = [Line(row, one) for one in whole]
    return min(lines, key=lambda line: (bool(line.apart), abs(line.ours.value - row.value) if line.ours else 0))
