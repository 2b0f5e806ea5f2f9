"""Scores of one case and recipe: runs scorers over finished pictures and writes table parts. It averages nothing.

A chunk of pictures goes through all scorers before the next one, so that a picture is decoded once for all of them.
A score that is in its part already is not measured again, unless its scorer has a new version, its picture another
key, or its scorer found nothing to measure in the picture then (it was missing, say).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench.interfaces import Detector, SetScorer
from dumo_bench.plugins import versions
from dumo_bench.run.measure import (
    MEASURED,
    AnyScorer,
    Patience,
    Pictured,
    Row,
    checked,
    declared,
    names,
    tried,
    unmeasured,
    why,
)
from dumo_bench.storage import metrics, scan, table
from dumo_bench.storage.columns import measurable
from dumo_bench.storage.names import bounded
from dumo_bench.storage.parts import NOTHING
from dumo_bench.texts import plain
from dumo_bench.types import SETS, Sample, Score, SetScore, canonical, digest

BATCH = 64
DESCRIBED = ("suite", "suite_version", "erases", "edit", "sampling")


class Measured(NamedTuple):
    """How many table rows were measured, and how many were there already."""

    new: int
    kept: int
    failed: tuple[tuple[str, str], ...] = ()  # scorers that raised, and what


def score(
    samples: Sequence[Sample],
    scorers: Sequence[AnyScorer],
    tables: Path,
    describe: Mapping[str, Any],
    tick: Callable[[int], None] = lambda done: None,
) -> Measured:
    """Score the samples of one suite, case and recipe; write their parts of scores, sets and detections.

    `tables` is results/tables. `describe` gives the columns that a sample does not know: suite, suite_version, erases
    (what kind of thing the case erases), edit (sha256, "" for the original), sampling (key of the suite's contract);
    content (hash of what the suite holds) where it is known.
    `tick` is called with the number of pictures a scorer has just been through, those measured earlier included. A
    stopped run keeps what was measured.
    """
    if not samples:
        return Measured(0, 0)
    if lacking := [name for name in DESCRIBED if name not in describe]:
        raise ValueError(f"describe must give {', '.join(DESCRIBED)}; it lacks {', '.join(lacking)}")
    part = _Part(part_name(samples[0], describe), describe)
    if any((s.case, s.job.recipe.key) != (samples[0].case, samples[0].job.recipe.key) for s in samples):
        raise ValueError("samples must be of one case and one recipe")
    metrics.write(tables, [one for scorer in scorers for one in declared(scorer)])
    pictured = [scorer for scorer in scorers if not isinstance(scorer, SetScorer)]
    done = [_score_pictures(pictured, samples, tables, part, tick)]
    for scorer in scorers:
        if isinstance(scorer, SetScorer):
            done.append(_score_sets(scorer, samples, tables, part))
            tick(len(samples))
    failed = tuple(pair for one in done for pair in one.failed)
    return Measured(sum(one.new for one in done), sum(one.kept for one in done), failed)


def part_name(sample: Sample, describe: Mapping[str, Any]) -> str:
    """The part that holds a sample's rows: readable, and one for each suite, its content, case, recipe and contract."""
    told = [describe["suite"], describe["suite_version"], sample.case.name, sample.job.recipe.key, describe["sampling"]]
    key = digest([*told, describe["content"]] if describe.get("content") else told)
    name = f"{describe['suite']}-{sample.case.name}-{sample.job.recipe.method}-{key[:12]}"
    return bounded(re.sub(r"[^A-Za-z0-9+._-]+", "_", name))


def identity(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a score's row from the others of its part."""
    return tuple(row[name] for name in ("prompt_id", "seed", "draw", "scorer", "metric"))


def _score_pictures(
    scorers: Sequence[Pictured], samples: Sequence[Sample], tables: Path, part: _Part, tick: Callable[[int], None]
) -> Measured:
    """Measure what is missing; what was measured before a failure or Ctrl-C is written all the same."""
    old = scan.read_part(tables, "scores", part.name, MEASURED)
    passes = [_Pass(scorer, {id(sample) for sample in unmeasured(scorer, samples, old)}) for scorer in scorers]
    try:
        for chunk in _chunks(samples):
            for one in passes:
                one.go(chunk, part)
                tick(len(chunk))
    finally:
        for one in passes:
            if one.boxes and isinstance(
                one.scorer, Detector
            ):  # the boxes first: a score whose boxes are lost would never be measured again
                _write_boxes(one.scorer, tables, part.name, one.boxes)
        if fresh := [row for one in passes for row in one.fresh]:
            table.add(tables, "scores", part.name, list({identity(row): row for row in fresh}.values()))
    kept = sum((len(samples) - len(one.todo)) * len(one.scorer.metrics) for one in passes)
    failed = tuple((one.scorer.name, one.failed) for one in passes if one.failed)
    return Measured(sum(len(one.fresh) for one in passes), kept, failed)


@dataclass
class _Pass:
    """One scorer's way through the samples: which it has to measure, and what it has found."""

    scorer: Pictured
    todo: set[int]
    fresh: list[Row] = field(default_factory=list)
    boxes: dict[str, list[Row]] = field(default_factory=dict)
    failed: str = ""
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        self.version = versions.version(self.scorer)  # once: it may read a folder

    def go(self, chunk: Sequence[Sample], part: _Part) -> None:
        wanted = [sample for sample in chunk if id(sample) in self.todo]
        if not wanted:
            return
        measured, boxes, failed = tried(self.scorer, wanted, self.patience)
        self.failed = failed or self.failed
        self.fresh += [
            row
            for s, scores in zip(wanted, measured, strict=True)
            for row in part.rows((self.scorer.name, self.version), s, scores)
        ]
        self.boxes |= boxes


def _write_boxes(scorer: Detector, tables: Path, part: str, found: Mapping[str, list[Row]]) -> None:
    """The boxes of a detector in place of its earlier ones for the same pictures and channel order."""
    old = table.records(table.read_part(tables, "detections", part))
    same = {"detector": scorer.name, "order": scorer.order}
    before = {row["key"]: row for row in old if all(row[name] == mine for name, mine in same.items())}
    none = [{**before[key], "label": NOTHING} for key, rows in found.items() if not rows and key in before]
    table.add(tables, "detections", part, [*none, *(row for rows in found.values() for row in rows)])


def _what(row: Row) -> tuple[str, str]:
    return row["scorer"], row["metric"]


def _score_sets(scorer: SetScorer, samples: Sequence[Sample], tables: Path, part: _Part) -> Measured:
    """Measure the sets that are not measured yet, or were measured incompletely."""
    old = table.records(table.read_part(tables, "sets", part.name))
    own, now = {(scorer.name, metric) for metric in names(scorer)}, versions.version(scorer)
    current = [row for row in old if _what(row) not in own or row["scorer_version"] == now]
    mine = [row for row in current if _what(row) in own]
    kept = [row for row in current if row not in mine]
    fresh: list[Row] = []
    failed: list[str] = []
    for role, roles in SETS.items():
        members = [sample for sample in samples if sample.role in roles]
        there, of = [row for row in mine if row["role"] == role], pictures(members)
        same = [row for row in there if _is_of(row, of, len(members))]
        kept += [row for row in there if row not in same]  # another --limit measured another set, which stays
        if not members or _complete(scorer, same, len(members)):
            kept += same
            continue
        originals = [sample.original for sample in members if sample.original is not None]
        reference = originals if len(originals) == len(members) else []  # part of them is another set of prompts
        found, reason = _set(scorer, members, reference, role)
        failed += [reason] * bool(reason)
        about = {"role": role, "pictures": of}
        fresh += [part.set_row((scorer.name, now), members[0], about, one) for one in found]
    if fresh:
        table.add(tables, "sets", part.name, fresh)
    return Measured(len(fresh), sum(row in mine for row in kept), tuple((scorer.name, one) for one in failed[:1]))


def _set(
    scorer: SetScorer, members: Sequence[Sample], reference: Sequence[Path], role: str
) -> tuple[Sequence[SetScore], str]:
    """The numbers of a set; where the scorer raises, failed ones and the reason."""
    try:
        found = scorer.score_set(members, reference)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = why(error)
        none = [SetScore(one.name, None, reason, "failed", n_missing=len(members)) for one in scorer.metrics]
        return none, reason
    return checked(scorer, found, f"the set of {role} pictures"), ""


def pictures(members: Sequence[Sample]) -> str:
    """What tells a set of pictures from another: the hash of their keys."""
    return digest(sorted(sample.job.key for sample in members))[:12]


def _is_of(row: Row, of: str, n: int) -> bool:
    """Whether a row is of this set. Rows of earlier versions do not say: one of as many pictures is taken for it."""
    return bool(row["pictures"] == of if row["pictures"] is not None else row["n"] + row["n_missing"] == n)


def _complete(scorer: SetScorer, rows: Sequence[Row], n: int) -> bool:
    """Whether the rows of a set hold every metric, measured on all n pictures and all of the reference."""
    whole = [row for row in rows if row["n"] == n and not row["n_missing"] and not row["lost"]]
    return names(scorer) <= {row["metric"] for row in whole if row["value"] is not None}


def _chunks(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    return (samples[start : start + BATCH] for start in range(0, len(samples), BATCH))


class _Part(NamedTuple):
    """A part's name, and how its rows are written out."""

    name: str
    describe: Mapping[str, Any]

    def rows(self, scorer: tuple[str, str], sample: Sample, scores: Iterable[Score]) -> list[Row]:
        """The scores of one picture as rows of the table `scores`. scorer: its name and version."""
        where = {
            **self._run(scorer, sample),
            "prompt_id": sample.prompt.id,
            "concept": sample.prompt.concept,
            "role": sample.role,
            "seed": sample.draw.seed,
            "draw": sample.draw.index,
            "key": sample.job.key,
        }
        return [{**where, **_cells(score)} for score in scores]

    def set_row(self, scorer: tuple[str, str], sample: Sample, about: Row, found: SetScore) -> Row:
        """A set's number as a row of the table `sets`; any sample of the set will do. about: its role and pictures."""
        counted = {name: getattr(found, name) for name in ("n", "n_missing", "low", "high", "how", "lost")}
        return {**self._run(scorer, sample), **about, **counted, **_cells(found)}

    def _run(self, scorer: tuple[str, str], sample: Sample) -> Row:
        recipe = sample.job.recipe
        return {
            **{name: self.describe[name] for name in DESCRIBED},
            "content": self.describe.get("content"),
            "batch": self.describe.get("batch"),
            "case": sample.case.name,
            "method": recipe.method,
            "method_version": recipe.version,
            "params": canonical(recipe.params),
            "erase": canonical(recipe.erase),
            "fit_seed": recipe.fit_seed,
            "model": recipe.model,
            "scorer": scorer[0],
            "scorer_version": scorer[1],
        }


def _cells(score: Score) -> Row:
    """Metric, value, reason and note; a value that no table can hold is not measured."""
    value = None if score.value is None else float(score.value)
    if value is not None and not measurable(value):
        return {"metric": score.metric, "value": None, "reason": "failed", "note": f"the scorer returned {value}"}
    return {"metric": score.metric, "value": value, "reason": score.reason, "note": plain(str(score.note))}
