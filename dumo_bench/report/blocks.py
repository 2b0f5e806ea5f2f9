"""The blocks of a table: cases of a results folder side by side, or the concepts of one case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, TypeAlias

from dumo_bench.analysis.scores import Scores
from dumo_bench.errors import UserError
from dumo_bench.report import build, columns, cost, paired, seeds
from dumo_bench.report.build import Sources
from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown, commonest
from dumo_bench.report.panels import Panels, Wanted
from dumo_bench.report.shapes import About, Shape
from dumo_bench.report.tables import Block
from dumo_bench.report.variants import Label, together
from dumo_bench.report.variants import labels as labels_of
from dumo_bench.types import Suite

MANY = 10_000  # columns: those of a shape stay together, whatever fits a page
_ROLES = ("target", "attack", "related", "unrelated")  # in the order in which concepts are shown
Key: TypeAlias = tuple[str, int, str]  # suite, its version, case
Chosen: TypeAlias = Sequence[tuple[About, Key]]


@dataclass(frozen=True)
class Measured:
    """What lies in a results folder. scores: as `paired.scores_of`. reasons: of a case, by method why its
    model cannot run it. runs: the manifests."""

    sources: Sources
    scores: Scores
    suites: Mapping[str, Suite]
    reasons: Callable[[CaseTables], Mapping[str, str]] = lambda case: {}
    runs: Sequence[cost.Run] = ()


class Blocks(NamedTuple):
    """Blocks with a row for each label, and the cases that they are of, as a whole."""

    labels: tuple[Label, ...]
    blocks: tuple[Block, ...]
    cases: tuple[CaseTables, ...]


def made(shape: Shape, mine: Chosen, wanted: Panels, found: Measured) -> Blocks:
    """The blocks of a shape for the cases that are chosen."""
    return {"cases": by_case, "concepts": by_concept, "costs": by_cost}[shape.blocks](shape, mine, wanted, found)


def by_cost(shape: Shape, mine: Chosen, wanted: Panels, found: Measured) -> Blocks:
    """What each case cost."""
    del wanted  # no scorer measures it
    built = {(case.suite, case.version, case.case): case for case in build.build(found.sources)}
    every = [(about, cost.case(built[key], found.runs)) for about, key in mine]
    shown = [(about, case) for about, case in every if case.panels]
    return _joined(_heads(shape, shown), [case for _, case in shown])


def by_case(shape: Shape, mine: Chosen, wanted: Panels, found: Measured) -> Blocks:
    """A block for each case of which anything was measured."""
    built = {(case.suite, case.version, case.case): case for case in build.build(found.sources, wanted, MANY)}
    settled = [(about, _settled(built[key], wanted)) for about, key in mine]
    shown = [(about, case) for about, case in settled if case.panels]
    tested = paired.tested([case for _, case in shown], paired.reader(found.scores), found.sources.metrics)
    cases = [build.refused(case, found.reasons(case)) for case in tested]
    return _joined(_heads(shape, shown), cases)


def by_concept(shape: Shape, mine: Chosen, wanted: Panels, found: Measured) -> Blocks:
    """Of one case a column for each concept, in a block for each of the columns that are wanted: a concept is built and
    tested as a case of its own."""
    del shape  # concepts are told apart by their names
    if len(mine) > 1:
        named = ", ".join(f"--case {about.case!r}" for about, _ in mine)
        raise UserError(f"a table by concept is of one case: name one ({named})")
    ((_, (suite, version, name)),) = mine
    means, kind = found.sources.summary, found.sources.kinds.get((suite, version, name), "")
    of = (means["suite"] == suite) & (means["suite_version"] == version) & (means["case"] == name)
    rows = means[of & (means["concept"] != "*")]
    kinds = {(suite, version, concept): kind for concept in rows["concept"].unique()}
    own = replace(found.sources, summary=rows.assign(case=rows["concept"], concept="*"), kinds=kinds)
    settled = [_settled(case, wanted) for case in build.build(own, wanted, MANY)]
    shown = sorted((case for case in settled if case.panels), key=lambda case: _ROLES.index(_role(case)))
    every = paired.values_of(found.scores, mine[0][1], {kin for case in shown for kin in case.kin})
    tested = paired.tested(shown, lambda case: every.concept(case.case), own.metrics)
    whole = [case for case in build.build(found.sources, {}) if (case.suite, case.version, case.case) == mine[0][1]]
    return _turned(_joined([case.case for case in tested], tested))._replace(cases=tuple(whole))


def _role(case: CaseTables) -> str:
    """The role of a concept."""
    return next(c.role for panel in case.panels for c in panel.columns if c.role in _ROLES)


def _turned(found: Blocks) -> Blocks:
    """A block for each header with a column for each concept, in the place of the reverse."""
    headers = dict.fromkeys(column.header for block in found.blocks for column in block.columns)
    blocks = [
        Block(head, tuple(replace(c, header=b.head) for b in found.blocks for c in b.columns if c.header == head))
        for head in headers
    ]
    return found._replace(blocks=tuple(blocks))


def _settled(case: CaseTables, wanted: Panels) -> CaseTables:
    """With one panel of the columns that are wanted, of each those of the first scorer that has any."""
    own = {panel.title: panel for panel in case.panels if len(panel.labels) == len(case.kin)}
    found = [column for name, of in wanted.items() if name in own for column in _first(own[name].columns, of)]
    labels = next((panel.labels for panel in own.values()), ())
    return replace(case, panels=(Panel("", labels, tuple(found)),) if found else ())


def _first(shown: Sequence[Shown], wanted: Sequence[Wanted]) -> list[Shown]:
    """Those of the first column that was measured, by the first of its scorers."""
    for one in wanted:
        mine = [c for c in shown if c.role == one.role and c.known and one.metric(c.known)]
        if mine:
            ranks = {c.metric: columns.rank(one, c.known) for c in mine if c.known}
            own = [column for column in mine if ranks[column.metric] == min(ranks.values())]
            return [replace(c, header=one.header or c.header) for c in own] if len(own) == 1 else own
    return []


def _heads(shape: Shape, shown: Sequence[tuple[About, CaseTables]]) -> list[str]:
    """What tells the cases apart: the head of the shape, with the case, the suite or its version where that is the
    same."""
    heads = [shape.head(about) for about, _ in shown]
    if len({*heads}) < len(heads):
        heads = [f"{head}: {about.case}" for head, (about, _) in zip(heads, shown, strict=True)]
    if len({*heads}) < len(heads):
        heads = [f"{about.suite}: {about.case}" for about, _ in shown]
    if len({*heads}) < len(heads):
        heads = [f"{about.suite} {case.version}: {about.case}" for about, case in shown]
    return heads


def _joined(heads: Sequence[str], cases: Sequence[CaseTables]) -> Blocks:
    """The cases side by side, with a row for each eraser of any of them; its fits are one row."""
    named = _named(cases)
    own = [_rows(case, named) for case in cases]
    keys = list(dict.fromkeys(chain.from_iterable(own)))
    fits = {key: max(label.fits for rows in own if (label := rows.get(key, (key, ()))[0])) for key in keys}
    blocks = [
        Block(head, tuple(_column(column, rows, keys) for column in case.panels[0].columns))
        for head, case, rows in zip(heads, cases, own, strict=True)
    ]
    return Blocks(tuple(replace(key, fits=fits[key]) for key in keys), tuple(blocks), tuple(cases))


def _named(cases: Sequence[CaseTables]) -> dict[Hashable, Label]:
    """Of methods that a case has in several settings what every one is called, in all cases alike."""
    counted = [Counter(kin[0] for kin in set(case.kin)) for case in cases]
    several = {name for count in counted for name, n in count.items() if n > 1}
    mixed = any(len({kin[4] for kin in case.kin}) > 1 for case in cases)  # else each suite has a contract of its own
    keys = {
        kin: (*kin[:3], 0, kin[3], kin[4] if mixed else "") for case in cases for kin in case.kin if kin[0] in several
    }
    named = labels_of(keys.values())
    return {kin: named[key] for kin, key in keys.items()}


def _rows(case: CaseTables, known: Mapping[Hashable, Label]) -> dict[Label, tuple[Label, list[int]]]:
    """What each eraser of a case is called, and which rows are its fits, by what it is called of any number of fits."""
    labels, of = case.panels[0].labels, dict[object, list[int]]()
    for i in range(len(labels)):
        of.setdefault(case.kin[i] if i < len(case.kin) else i, []).append(i)  # those that cannot run stand last
    named = ((_called(kin, [labels[i] for i in rows], known), rows) for kin, rows in of.items())
    return {replace(label, fits=1): (label, rows) for label, rows in named}


def _called(kin: Hashable, fits: Sequence[Label], known: Mapping[Hashable, Label]) -> Label:
    found = together(fits)
    return replace(found, told=known[kin].told) if kin in known else found


def _column(column: Shown, rows: Mapping[Label, tuple[Label, list[int]]], keys: Sequence[Label]) -> Shown:
    """A column with a cell for each key."""
    cells = tuple(seeds.mean(column, rows[key][1]) if key in rows else Cell() for key in keys)
    n, n_missing = commonest(cells)
    return replace(column, cells=cells, n=n, n_missing=n_missing)
