"""A table of a known shape, composed from what lies in a results folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dumo_bench.errors import UserError, unknown
from dumo_bench.report import blocks, columns, contract, coverage, tables
from dumo_bench.report.blocks import Blocks, Key, Measured
from dumo_bench.report.cells import CaseTables
from dumo_bench.report.shapes import SHAPES, About, Shape
from dumo_bench.report.tables import Table
from dumo_bench.storage.names import plain
from dumo_bench.types import BASE, SHOWN

PICTURES = "Seconds a picture include those of the unedited model that a run made too"


@dataclass(frozen=True, slots=True)
class Asked:
    """A table as it is asked for: its shape, and where given other columns and only these cases and methods."""

    shape: str
    columns: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()


def make(asked: Asked, found: Measured) -> Table:
    """The table; refused where nothing of it was measured, with what was."""
    if asked.shape not in SHAPES:
        raise unknown("tables", asked.shape, SHAPES)
    shape = SHAPES[asked.shape]
    if asked.columns and not shape.columns:
        raise UserError(f"table {asked.shape}: its columns are what runs note: leave --columns out")
    wanted = columns.wanted(asked.columns or shape.columns)
    every = [(_about(found, *key), key) for key in _cases(found)]
    mine = [one for one in every if shape.holds(one[0]) and (not asked.cases or one[0].case in asked.cases)]
    if not mine:
        raise _no_case(asked, [about for about, _ in every])
    mine = sorted(mine, key=lambda one: shape.order(one[0]))
    made = blocks.made(shape, mine, wanted, found)
    if not made.blocks:
        raise _no_number(asked, [about for about, _ in mine], wanted)
    return _table(asked, shape, made, found)


def _cases(found: Measured) -> list[Key]:
    rows = found.sources.summary[["suite", "suite_version", "case"]]
    return sorted(set(rows.itertuples(index=False, name=None)))


def _about(found: Measured, name: str, version: int, case: str) -> About:
    """What there is to know of a case, as far as its suite can be read."""
    suite = found.suites.get(name)
    own = next((one for one in suite.cases if one.name == case), None) if suite else None
    if suite is None or own is None:
        return About(name, case, found.sources.kinds.get((name, version, case), ""))
    there = {key[2] for key in _cases(found) if key[:2] == (name, version)}
    sizes = {len(one.erase) for one in suite.cases if one.name in there}
    return About(name, case, own.task or suite.task, own.erase, len(sizes) > 1, suite.search)


def _no_case(asked: Asked, every: Sequence[About]) -> UserError:
    of = f" called {' or '.join(asked.cases)}" if asked.cases else ""
    there = ", ".join(f"{one.suite}: {one.case} ({one.task or 'kind not known'})" for one in every)
    fitting = [name for name, shape in SHAPES.items() if any(map(shape.holds, every))]
    return UserError(
        f"table {asked.shape}: the folder has no case of it{of}; it has {there}: --table {' or '.join(fitting)}"
    )


def _no_number(asked: Asked, mine: Sequence[About], wanted: Iterable[str]) -> UserError:
    cases = ", ".join(f"{about.suite}: {about.case}" for about in mine)
    return UserError(
        f"table {asked.shape}: of {cases} none of the columns {', '.join(wanted)} was measured: `dumo-bench score` "
        f"measures them, or name others with --columns: {', '.join(columns.COLUMNS)}"
    )


def _table(asked: Asked, shape: Shape, made: Blocks, found: Measured) -> Table:
    """With its caption, of the methods that are asked for; tests are of all."""
    alone = len(made.blocks) == 1 and shape.blocks != "concepts"  # the caption says which case it is
    shown = (replace(made.blocks[0], head=""),) if alone else made.blocks
    behind = tables.behind(made.blocks) if shape.columns else PICTURES
    notes = (*_notes(made, found), behind)
    whole = Table(plain("-".join([asked.shape, *asked.cases])), shape.title, made.labels, shown, notes)
    there = {label.method for label in made.labels}
    if missing := set(asked.methods) - there:
        raise unknown("methods of this table", min(missing), there)
    chosen = [n for n, label in enumerate(made.labels) if not asked.methods or label.method in asked.methods]
    return tables.with_rows(whole, chosen)


def _notes(made: Blocks, found: Measured) -> list[str]:
    """Which cases they are of, how pictures were sampled, what is not ranked and what is partial."""
    cases = dict.fromkeys((case.suite, case.version, case.case) for case in made.cases)
    of = "; ".join(f"{suite} (version {version}), erasing {case}" for suite, version, case in cases)
    rows = found.sources.summary[["suite", "suite_version", "case", "sampling"]].drop_duplicates()
    keys = {key for *case, key in rows.itertuples(index=False, name=None) if tuple(case) in cases}
    sampled = [contract.said(key, found.sources.contracts) for key in sorted(keys)]
    warnings = [case.warning for case in made.cases if case.warning]
    partial = [said for case in made.cases if (said := coverage.short(case.coverage))]
    return [of, *dict.fromkeys([*sampled, *_settings(made.cases), *warnings, *partial])]


def _settings(cases: Sequence[CaseTables]) -> list[str]:
    """Which settings of a method's only row differ from case to case: presets of a task, or what was typed."""
    alone = [
        {kin[0]: kin[2] for kin in case.kin if sum(other[0] == kin[0] for other in set(case.kin)) == 1}
        for case in cases
    ]
    found = []
    for method in sorted(set().union(*alone)):
        said = [json.loads(own[method]) for own in alone if method in own]
        names = sorted({name for one in said for name in one if name not in (SHOWN, BASE)})
        apart = [name for name in names if len({json.dumps(one.get(name)) for one in said}) > 1]
        found += [f"{method} ({', '.join(apart)})"] if apart else []
    return [f"settings that differ from case to case: {', '.join(found)}"] if found else []
