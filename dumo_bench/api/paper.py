"""A paper's tables as data: an experiment whose numbers stand beside those that were published.

Rows are methods with settings, columns name numbers of results/published by what they are of. No number is in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from dumo_bench.api.experiment import Experiment, MethodRow, Row, Settings, SuiteRow, grid, over
from dumo_bench.errors import UserError

Why = Annotated[str, "Why it is not made here, in words."]


@dataclass(frozen=True, kw_only=True)
class Line(MethodRow):
    """A line of a published table: a method as its source writes it, and which of ours with which settings it is."""

    printed: Annotated[str, "As the published numbers write it."]
    name: Annotated[str, "A name of `list methods`; without one it is not made, and `why` says why."] = ""
    settings: Settings = field(default_factory=dict)
    why: Why = ""

    def __post_init__(self) -> None:
        if (self.settings or self.seeds) and not self.name:
            raise UserError(f"the line {self.printed!r} has settings or seeds, and no name of a method of ours")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Columns of a published table: numbers of one suite and case under one convention."""

    suite: Annotated[str, "As the published numbers write it: ours, where it is one of `list suites`."]
    case: Annotated[str, 'As they write it; "average" is the mean over cases, "" where the source does not say.'] = ""
    metrics: Annotated[tuple[str, ...], "As they write them."]
    convention: Annotated[str | None, "As they write it, where one source has several."] = None
    source: Annotated[str, "Of several sources of the table, the one that these are from."] = ""
    why: Why = ""


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """How the paper drew its pictures, as far as that is known: what ours does differently is said."""

    model: Annotated[str, "A name of `list models`, or what the paper calls it."] = ""
    scheduler: Annotated[str, "As suites call it, or as the paper does."] = ""
    steps: Annotated[int | None, "Steps of the sampler."] = None
    guidance: Annotated[float | None, "Scale of classifier-free guidance."] = None
    noise: Annotated[str, "Where the noise was drawn: cpu or cuda."] = ""
    prompts: Annotated[str, "Which prompts, in words, where that is not what our suite has."] = ""


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """One table: what is run for it, and which published numbers ours stand beside."""

    title: Annotated[str, "What it shows, and the paper's own number for it."]
    sources: Annotated[tuple[str, ...], "Where its numbers are from, as the published numbers write it."]
    methods: Annotated[tuple[Line, ...], "Its lines."]
    columns: Annotated[tuple[Columns, ...], "Its columns."]
    suites: Annotated[tuple[SuiteRow, ...], "What is run for it; nothing, where no column can be made here."] = ()
    scorers: Annotated[tuple[str, ...], "What measures it; without them the experiment's."] = ()
    sampled: Annotated[tuple[Sampled, ...], "How its pictures were drawn; one, where that is known."] = ()
    differs: Annotated[tuple[str, ...], "What else is known to be otherwise here, a sentence each."] = ()

    @property
    def made(self) -> tuple[MethodRow, ...]:
        """The methods that are here, each setting once; the unedited model only where it stands alone."""
        here = [MethodRow(name=one.name, settings=one.settings, seeds=one.seeds) for one in self.methods if one.name]
        once = [one for n, one in enumerate(here) if one not in here[:n]]
        return tuple([one for one in once if one.name != "original"] or once)

    def of_methods(self, names: Sequence[str]) -> PaperTable:
        """With the lines of these methods alone, as ours or as its own are called."""
        kept = tuple(one for one in self.methods if one.name in names or one.printed in names)
        return replace(self, methods=kept)


@dataclass(frozen=True, kw_only=True)
class Paper(Experiment):
    """Tables of a paper. The other fields are an experiment's, and hold for all tables."""

    title: Annotated[str, "Whose tables these are: authors, name, where it was published."]
    tables: Annotated[tuple[PaperTable, ...], "Its tables, in order: `--table 1` is the first."]
    methods: tuple[MethodRow, ...] = ()
    suites: tuple[SuiteRow, ...] = ()

    def __post_init__(self) -> None:
        if not self.tables:
            raise UserError("a paper lacks tables: there is nothing to reproduce")
        if self.methods or self.suites:
            raise UserError("the methods and suites of a paper stand in its [[tables]]")
        self.check_flags()

    def rows(self) -> list[Row]:
        """Those of all tables, each once."""
        found = [row for one in self.tables for row in grid(self, one.made, one.suites, one.scorers)]
        return [row for n, row in enumerate(found) if row not in found[:n]]

    def changed(self, **more: Any) -> Paper:
        """The same with other values, which also are in place of what its tables' suites say of theirs."""
        return replace(self, tables=tuple(_changed(one, more) for one in self.tables), **more)


def _changed(table: PaperTable, more: Mapping[str, Any]) -> PaperTable:
    own: dict[str, Any] = {"scorers": ()} if "scorers" in more else {}
    return replace(table, suites=over(table.suites, more), **own)
