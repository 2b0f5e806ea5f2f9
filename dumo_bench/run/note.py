"""A run says what it wants before it makes anything, so that `store gc` leaves it alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dumo_bench.run import manifest, whole
from dumo_bench.run.plan import Part, Plan, Request
from dumo_bench.storage import references
from dumo_bench.storage.references import Group


def write(out: Path, request: Request, plan: Plan) -> Path:
    """Note a run; all shards of a request have one note."""
    parts: dict[str, list[Part]] = {}
    for part in (*plan.reference, *plan.parts):
        parts.setdefault(part.recipe.key, []).append(part)
    name = manifest.path(out, request, plan.suite.name, (plan.parts or plan.reference)[0].recipe.method).stem
    said = {key: value for key, value in asdict(request).items() if key != "shard"}
    groups = [_group(plan, some) for some in parts.values()]
    return references.note(out, name, said, [*groups, *_learnt(plan, {group.recipe.key for group in groups})])


def _learnt(plan: Plan, noted: set[str]) -> list[Group]:
    """The edits that others are taken of or learnt on top of, and no picture is drawn with."""
    found = {one.key: one for part in plan.parts for one in whole.recipes(part) if one.erase}
    return [Group(plan.suite.name, one, ()) for key, one in found.items() if key not in noted]


def _group(plan: Plan, parts: list[Part]) -> Group:
    jobs = {row.job.key: row.job for part in parts for row in part.rows}
    starts = dict.fromkeys(job.start for job in jobs.values() if job.start)
    return Group(plan.suite.name, parts[0].recipe, tuple(jobs), tuple(starts))
