"""What of a paper can be run on this machine, through the code of experiments, and the results beside its numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dumo_bench.api.paper import Line, Paper, PaperTable
from dumo_bench.errors import UserError
from dumo_bench.hosts import models
from dumo_bench.papers.found import Found
from dumo_bench.papers.grid import Grid, grids
from dumo_bench.plugins import static
from dumo_bench.published import Results
from dumo_bench.run import manifest, plan
from dumo_bench.storage import remote
from dumo_bench.suites import registry
from dumo_bench.types import Suite, canonical

EMBEDDED = "emoji-sd"  # no paper is about it


@dataclass(frozen=True, slots=True)
class Runs:
    """A paper with the suites that can be run here, and why others cannot: what to type, a line each."""

    paper: Paper
    lacking: tuple[str, ...]


def runnable(found: Found) -> Runs:
    """What is left to run where lists of prompts or weights are not on this machine."""
    known = {suite: lacking(suite, found.paper) for suite in _suites(found.paper)}
    tables = tuple(_with(one, known) for one in found.paper.tables)
    return Runs(
        replace(found.paper, tables=tables), tuple(dict.fromkeys(line for why in known.values() for line in why))
    )


def _suites(paper: Paper) -> list[str]:
    return list(dict.fromkeys(suite.name for table in paper.tables for suite in table.suites if table.made))


def lacking(suite: str, paper: Paper) -> list[str]:
    """What of a suite and its model is not here; raises UserError where there is no such suite."""
    model = paper.model or registry.file_of(suite).empty.sampling.model
    found = []
    for needed in (lambda: models.folder(model), lambda: registry.load(suite)):
        try:
            needed()
        except UserError as error:
            found.append(str(error))
    return found


def _with(table: PaperTable, lacking: Mapping[str, Sequence[str]]) -> PaperTable:
    return replace(table, suites=tuple(one for one in table.suites if not lacking.get(one.name)))


def beside(found: Found) -> list[Grid]:
    """Every table of a paper with what its results folder has."""
    held = results(found, remote.place(found.paper.out))
    return [one.compared(held) for one in grids(found)]


def results(found: Found, out: Path) -> Results:
    """A results folder beside a paper: of each line what was told as it says; of emoji-sd only for its own paper."""
    shipped = {registry.file_of(suite).empty.sampling.model for suite in _suites(found.paper)} == {EMBEDDED}
    return Results(out, {} if shipped else foreign(out), cases(), _settings(found.paper))


def cases() -> dict[str, int]:
    """How many cases each suite of this project has."""
    return {name: len(one.cases) for name, one in registry.own().items()}


def foreign(out: Path) -> dict[str, str]:
    """The shipped model by its hash, and by those of its name that were run before it."""
    ran = [one["model_hash"] for one in manifest.read_all(out) if one.get("model") == EMBEDDED and "model_hash" in one]
    return dict.fromkeys([models.content_hash(EMBEDDED), *ran], EMBEDDED)


def _settings(paper: Paper) -> dict[tuple[str, str], list[Mapping[str, Any]]]:
    """What each line is told on each suite, as tables of results have it."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for table in paper.tables:
        for suite in table.suites:
            name, of = registry.called(suite.name), registry.file_of(suite.name).empty
            for line in table.methods:
                found.setdefault((line.printed, name), []).extend(_told(line, of, paper) if line.name else ())
    return found


def _told(line: Line, suite: Suite, paper: Paper) -> Iterator[Mapping[str, Any]]:
    """The settings of a method, its own for the tasks of the suite's cases among them; loads no model."""
    model = paper.model or suite.sampling.model
    kind = plan.kind_of(model).name if models.here(model) else ""
    for task in dict.fromkeys(case.task or suite.task for case in suite.cases):
        method = plan.over(static.make(line.name, {}), static.make, line.name, line.settings, task, kind)
        yield json.loads(canonical(method.identity()))
