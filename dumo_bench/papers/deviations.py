"""What of a paper's table is otherwise here: how pictures are drawn, how many there are, which convention counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dumo_bench.api.paper import Paper, PaperTable, Sampled
from dumo_bench.papers.grid import Grid
from dumo_bench.suites import registry
from dumo_bench.suites.file import SuiteFile

#: what a sentence in words is about
WORDS = "also"
#: field of the paper's sampling -> what it is called
_SAMPLING = {
    "model": "model",
    "scheduler": "sampler",
    "steps": "steps",
    "guidance": "guidance",
    "noise": "noise drawn on",
}


@dataclass(frozen=True, order=True, slots=True)
class Deviation:
    """Something that is otherwise here; of what is said in words `ours` has the sentence."""

    what: str
    theirs: str
    ours: str

    def __str__(self) -> str:
        return self.ours if self.what == WORDS else f"{self.what}: {self.theirs}; here {self.ours}"


def deviations(grid: Grid, paper: Paper) -> list[Deviation]:
    """What is known before anything is run, and what the numbers of ours show; each once."""
    found = [*_sampling(grid.table, paper), *_words(grid.table), *_counted(grid), *_conventions(grid)]
    return list(dict.fromkeys(found))


def _sampling(table: PaperTable, paper: Paper) -> Iterator[Deviation]:
    for of in table.sampled:
        for suite in table.suites:
            yield from _drawn(of, registry.file_of(suite.name), paper)
        if of.prompts:
            yield Deviation("prompts", of.prompts, "those of our suite")


def _drawn(theirs: Sampled, suite: SuiteFile, paper: Paper) -> Iterator[Deviation]:
    """How a suite samples, where the paper did otherwise."""
    sampling = suite.empty.sampling
    rows = suite.csv.columns if suite.csv else {}
    for name, what in _SAMPLING.items():
        said, own = getattr(theirs, name), getattr(sampling, name)
        own = paper.model or own if name == "model" else own
        own = "as each prompt's row says" if name in rows else own
        if said not in ("", None) and said != own:
            yield Deviation(what, _said(said), _said(own))


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _words(table: PaperTable) -> Iterator[Deviation]:
    yield from (Deviation(WORDS, "", sentence) for sentence in table.differs)


def _counted(grid: Grid) -> Iterator[Deviation]:
    """Numbers of ours that are of other pictures than theirs, or of a part of the suite where theirs are not known."""
    for line in grid.ours:
        assert line.ours is not None
        theirs, ours = line.published.n, line.ours.n
        if theirs is None and line.ours.partial:
            yield Deviation("pictures", "a whole suite", f"{ours} a number, a part of it")
        elif theirs is not None and theirs != ours:
            yield Deviation("pictures", f"{theirs} a number", str(ours))


def _conventions(grid: Grid) -> Iterator[Deviation]:
    """How a metric was measured, there and here; several of ours, where each is closest to a number of theirs."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in grid.ours:
        assert line.ours is not None
        row, measured = line.published, line.ours.measured
        if row.metric.replace("@", ", ") != measured:
            theirs = "; ".join(filter(None, (row.convention, row.note))) or "its convention is not said"
            found.setdefault((row.metric.partition(", ")[0], theirs), []).append(measured)
    for (metric, theirs), ours in found.items():
        yield Deviation(metric, theirs, " or ".join(dict.fromkeys(ours)))
