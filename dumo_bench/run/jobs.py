"""(suite, case, recipe) -> rows, each with the job that makes its picture; a fair part of them; a shard; batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from random import SystemRandom
from typing import Any, TypeVar

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Method
from dumo_bench.suites.contract import resolved
from dumo_bench.suites.fair import grouped, interleaved
from dumo_bench.types import (
    ADAPTATION,
    ATTACKED,
    SHOWN,
    Case,
    Draw,
    Job,
    Prompt,
    Recipe,
    Role,
    Sampling,
    Suite,
    canonical,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture that a suite asks for. Rows that ask for the same picture have equal jobs."""

    case: Case
    role: Role
    prompt: Prompt
    draw: Draw
    job: Job


def recipe(method: Method, erase: Sequence[str], *, fit_seed: int, model: str, said: Mapping[str, Any] = {}) -> Recipe:
    """What determines an edit. `model` is the content hash; `said`: of what the method is given (`run.given`).

    The original erases nothing, so all cases share it. No other method can erase nothing.
    """
    shown = " ".join((*method.shown, *(name for name in said if name == ADAPTATION)))
    params = {**method.identity(), **said, **({SHOWN: shown} if shown else {})}
    if method.name == "original":
        return Recipe(method.name, method.version, params, (), 0, model)
    if not erase or not all(concept.strip() for concept in erase):
        raise UserError(f"{method.name}: wanted one concept or more to erase, none of them empty, got {list(erase)}")
    return Recipe(method.name, method.version, params, tuple(erase), fit_seed, model)


def rows(suite: Suite, case: Case, recipe: Recipe, contract: Sampling, limit: int | None = None) -> list[Row]:
    """Every picture of a case, in the suite's order; with `limit`, a fair part of them."""
    role, known = suite.role_of(case), dict[str, Sampling]()  # one value for all rows that state the same

    def under(prompt: Prompt) -> Sampling:
        found = resolved(contract, prompt)
        return found if found is contract else known.setdefault(repr(found), found)

    every = [
        Row(case, role(prompt), prompt, draw, Job(recipe, prompt.text, draw, under(prompt), prompt.start))
        for prompt in suite.prompts
        for draw in prompt.draws
    ]
    return every if limit is None else fair(every, limit)


def fair(every: Sequence[Row], limit: int) -> list[Row]:
    """`limit` rows in the suite's order: roles in proportion, within a role concepts, first draws before second ones.

    A prefix property: a larger limit only adds rows, so pictures of a smaller run are used again. Of what an attack
    found whole prompts are taken, as many as `limit` has room for; UserError where that is none.
    """
    place = {id(row): n for n, row in enumerate(every)}
    return sorted(fairly(every)[: _room(every, limit)], key=lambda row: place[id(row)])


def fairly(every: Sequence[Row]) -> list[Row]:
    """The rows so ordered that every beginning is a fair part; of what an attack found, one that ends with a prompt."""
    if found := _found(every):
        return [row for rows in found for row in rows]
    place = {id(row): n for n, row in enumerate(every)}
    by_draw = sorted(every, key=lambda row: (row.draw.index, row.prompt.draws.index(row.draw), place[id(row)]))
    within = [
        row for _, group in grouped(by_draw, lambda r: r.role) for row in interleaved(group, lambda r: r.prompt.concept)
    ]
    return interleaved(within, lambda row: row.role)


def _found(every: Sequence[Row]) -> list[list[Row]]:
    """Each prompt that an attack found with the plain one that it was made from, whose pictures cost what search and
    pictures cost together: a budget that is equal as a whole. None, where the rows are of no attack's suite."""
    if not any(row.role == "attack" and row.prompt.id.endswith(ATTACKED) for row in every):
        return []
    groups = [rows for _, rows in grouped(every, lambda row: row.prompt.id.removesuffix(ATTACKED))]
    return interleaved(groups, lambda rows: rows[0].prompt.concept)


def _room(every: Sequence[Row], limit: int) -> int:
    """How many rows `limit` takes."""
    sizes = list(accumulate(len(rows) for rows in _found(every)))
    if not sizes:
        return limit
    fitting = [size for size in sizes if size <= limit]
    if not fitting:
        raise UserError(
            f"{limit} pictures are too few: the first prompt that the attack found, with the plain one at an equal "
            f"budget, has {sizes[0]}: wanted --limit {sizes[0]} or more"
        )
    return fitting[-1]


def shard(jobs: Sequence[T], index: int, of: int) -> Sequence[T]:
    """The `index`-th of `of` parts; together the parts are all jobs, each once."""
    if not 0 <= index < of:
        raise ValueError(f"shard {index}/{of}: wanted 0 <= i < n")
    return jobs[index::of]


def unique(jobs: Iterable[Job]) -> list[Job]:
    """Each picture once, in order."""
    return list({job.key: job for job in jobs}.values())


def of_recipes(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Jobs by the key of their recipe, in the order in which recipes first come."""
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        groups.setdefault(job.recipe.key, []).append(job)
    return groups


def batches(jobs: Iterable[Job], size: int, *, strewn: bool = False) -> Iterator[list[Job]]:
    """Jobs that can be sampled together: one schedule, one size, one negative prompt; guidance and draw may differ.

    strewn: those of one kind in an order of chance, so that programs that make the same pictures at once are seldom at
    the same batch.
    """

    def alike(job: Job) -> str:
        s = job.sampling
        return canonical([s.scheduler, s.steps, s.height, s.width, s.negative, s.noise, s.dtype])

    for _, group in groupby(sorted(jobs, key=alike), key=alike):
        same = list(group)
        some = [same[i : i + size] for i in range(0, len(same), size)]
        if strewn:
            SystemRandom().shuffle(some)
        yield from some
