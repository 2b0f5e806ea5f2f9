"""What `reproduce` prints: a paper's tables in columns that fit the terminal, two or three lines a method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dumo_bench.cli.paper import DASH
from dumo_bench.cli.show import console, echo, indented, table, wrapped

if TYPE_CHECKING:
    from dumo_bench.api.carry import Done
    from dumo_bench.api.paper import Columns
    from dumo_bench.papers import Found, Grid, Head, Runs
    from dumo_bench.published import Line

SIGNS = {"agrees": " =", "differs": " \N{NOT EQUAL TO}"}
_MANY = {"agrees": "agree", "differs": "differ"}
_GAP = 2  # characters between columns
_SAID = ("count", "FID", "LPIPS", "0 to 1", "")  # units that go without saying
REASONS = {
    "published": "the paper's table has no such number, or it was not read",
    "ours": "the results folder has no number of it",
    "low": "its mean has no interval",
    "high": "its mean has no interval",
    "n": "its source does not say",
    "difference": "there is no number of ours, or the two are of sets of another size",
    "partial": "how large the suite is is not known",
}


def show(found: Found, grids: Sequence[Grid], done: Sequence[Done]) -> None:
    """Every table, what differs, and what the signs mean."""
    from dumo_bench.papers import deviations

    wrapped(found.paper.title)
    for grid in grids:
        _title(grid)
        for block in _blocks(grid, console().width):
            wrapped(block.title)
            table(_lines(grid, block))
            echo("")
        _list("Otherwise here", [str(one) for one in deviations(grid, found.paper)])
        _list("Not made here", _left_out(grid))
    _list("Stopped", [f"{one.row}: {one.error}" for one in done if one.error])
    wrapped(_legend(grids))


def _title(grid: Grid) -> None:
    echo("")
    wrapped(f"Table {grid.number}. {grid.table.title}")
    status = {row.source: row.status for row in grid.numbers.values()}
    wrapped(f"{_label(grid)}: " + "; ".join(f"{source}, {said}" for source, said in status.items()))
    counts = Counter(line.verdict.partition(",")[0] for line in grid.ours)
    told = ", ".join(f"{n} {_MANY.get(verdict, verdict) if n > 1 else verdict}" for verdict, n in counts.most_common())
    beside = f"{len(grid.ours)} of ours beside them{f': {told}' if told else ''}"
    wrapped(f"{len(grid.numbers)} {_label(grid)} numbers, {beside}")
    echo("")


def _label(grid: Grid) -> str:
    from dumo_bench.published import OWN

    own = all(row.status.startswith(OWN) for row in grid.numbers.values())
    return "committed" if own and grid.numbers else "published"


@dataclass(frozen=True, slots=True)
class Block:
    """Columns that stand side by side, of one suite and case, and what they share: what their metrics are of, and in
    which unit."""

    columns: tuple[int, ...]
    of: str
    shared: str
    unit: str

    @property
    def title(self) -> str:
        said = ": ".join(filter(None, (self.of, self.shared)))
        return said if self.unit in _SAID else f"{said} ({self.unit})"


def _blocks(grid: Grid, room: int) -> Iterator[Block]:
    """The columns of a table in blocks that are no wider than that."""
    first = max(map(len, ("method", *(line.printed for line in grid.methods)))) + _GAP + len("published")
    for (of, shared), columns in groupby(range(len(grid.heads)), lambda j: _kind(grid, j)):
        group = list(columns)
        units = {_unit(grid, j) for j in group}
        common = units.pop() if len(units) == 1 else ""
        said, wide, some = ", ".join(filter(None, (of.suite, of.case))), first, list[int]()
        for j in group:
            width = _GAP + max(len(word) for text in _column(grid, j, shared, common) for word in text.split())
            if some and wide + width > room:
                yield Block(tuple(some), said, shared, common)
                some, wide = [], first
            some, wide = [*some, j], wide + width
        yield Block(tuple(some), said, shared, common)


def _kind(grid: Grid, j: int) -> tuple[Columns, str]:
    """What columns side by side have in common: suite and case, and what metrics of several things are of."""
    head = grid.heads[j]
    begins = head.metric.partition(", ")[0] + ", "
    several = sum(one.metric.startswith(begins) for one in grid.heads if one.of is head.of) > 1
    return head.of, begins[:-2] * several


def _unit(grid: Grid, j: int) -> str:
    return next((row.unit for (_, column), row in grid.numbers.items() if column == j), "")


def _column(grid: Grid, j: int, shared: str, common: str) -> list[str]:
    """Every text of a column."""
    cells = (_cells(grid, i, j) for i in range(len(grid.methods)))
    return [_head(grid, j, shared, common), *(text for one in cells for text in one)]


def _head(grid: Grid, j: int, shared: str, common: str) -> str:
    """What a column is called, so that its words may wrap; with its unit, where its block does not say it."""
    name, unit = grid.heads[j].metric.removeprefix(f"{shared}, "), _unit(grid, j)
    said = name.replace("_", " ") if name.isupper() else name.replace("@", " @")
    return said if unit == common or unit in _SAID else f"{said} ({unit})"


def _lines(grid: Grid, block: Block) -> list[Mapping[str, str]]:
    """Two lines a method, or three where ours has an interval."""
    heads = _different([_head(grid, j, block.shared, block.unit) for j in block.columns])
    found = list[Mapping[str, str]]()
    for i, line in enumerate(grid.methods):
        cells = [_cells(grid, i, j) for j in block.columns]
        if not any(one[0] for one in cells):
            continue
        for n, label in enumerate((_label(grid), "ours", "95 %")):
            if n < 2 or any(one[n] for one in cells):
                texts = (one[n] for one in cells)
                found.append({"method": line.printed * (n == 0), "": label, **dict(zip(heads, texts, strict=True))})
    return found


def _different(heads: Sequence[str]) -> list[str]:
    """Heads of which no two are equal, as keys of a line."""
    return [head + " " * heads[:n].count(head) for n, head in enumerate(heads)]


def _cells(grid: Grid, i: int, j: int) -> tuple[str, str, str]:
    """Theirs, ours and its interval; all empty where the table has nothing there."""
    from dumo_bench.analysis.recognition import MARK

    row = grid.numbers.get((i, j))
    if row is None:
        return "", "", ""
    line = grid.beside.get((i, j))
    if line is None or line.ours is None:
        return f"{row.value:g}", DASH, ""
    ours = line.ours
    sign = SIGNS.get(line.verdict.partition(",")[0], "")
    interval = "" if ours.low is None or ours.high is None else f"[{ours.low:.3g},{ours.high:.3g}]"
    return f"{row.value:g}", f"{ours.value:.4g}{MARK * ours.unreliable}{sign}", interval


def _left_out(grid: Grid) -> list[str]:
    """Lines and columns that cannot be made, each with its reason."""
    found = [f"{line.printed}: {line.why}" for line in grid.methods if line.why]
    for of in grid.table.columns:
        if of.why:
            where = ", ".join(filter(None, (of.suite, of.case, *(of.metrics if len(of.metrics) < 3 else ()))))
            found.append(f"{where}: {of.why}")
    return found


def _list(title: str, lines: Sequence[str]) -> None:
    if lines:
        echo(f"{title}:")
        for line in lines:
            indented(f"- {line}")
        echo("")


def _legend(grids: Sequence[Grid]) -> str:
    label = _label(grids[0])
    if not any(grid.ours for grid in grids):
        return f"{DASH}: not measured in this folder."
    return (
        f"{DASH}: not measured in this folder. [low,high]: our 95 % interval; =: it holds the {label} number; "
        f"{SIGNS['differs'].strip()}: it does not; neither: there is no interval. One interval in twenty misses."
    )


def documents(
    found: Found, grids: Sequence[Grid], runs: Runs, done: Sequence[Done]
) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The same as JSON."""
    from dumo_bench.papers import deviations

    rows = [_row(grid, place, line) for grid in grids for place, line in {**_alone(grid), **grid.beside}.items()]
    return {
        "tables": [{"table": one.number, "title": one.table.title} for one in grids],
        "numbers": rows,
        "deviations": [{"table": one.number, **asdict(d)} for one in grids for d in deviations(one, found.paper)],
        "left_out": [{"table": one.number, "why": why} for one in grids for why in _left_out(one)],
        "lacking": [{"why": line} for line in runs.lacking],
        "failed": [{"row": str(one.row), "why": one.error} for one in done if one.error],
    }


def _alone(grid: Grid) -> Mapping[tuple[int, int], Line]:
    from dumo_bench.published import Line

    return {place: Line(row) for place, row in grid.numbers.items()}


def _row(grid: Grid, place: tuple[int, int], line: Line) -> Mapping[str, Any]:
    head: Head = grid.heads[place[1]]
    why = grid.methods[place[0]].why or head.of.why
    about = {"table": grid.number, **asdict(line), "difference": line.difference, "verdict": line.verdict}
    return about | ({"reasons": {"ours": why}} if why else {})
