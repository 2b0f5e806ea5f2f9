"""A run says what it wants before it makes anything, so that `store gc` leaves it alone."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from dumo_bench.run import manifest
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
    return references.note(out, name, said, [_group(plan, some) for some in parts.values()])


def _group(plan: Plan, parts: list[Part]) -> Group:
    jobs = {row.job.key: row.job for part in parts for row in part.rows}
    starts = dict.fromkeys(job.start for job in jobs.values() if job.start)
    return Group(plan.suite.name, parts[0].recipe, tuple(jobs), tuple(starts))
