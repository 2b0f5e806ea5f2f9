"""What a wish comes to: the cases, each with its method, its recipe and its rows. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dumo_bench.errors import UserError, unknown
from dumo_bench.hosts import models, samplers
from dumo_bench.interfaces import Method
from dumo_bench.run import jobs, needs, resize
from dumo_bench.storage.store import Store
from dumo_bench.suites import bounds, registry
from dumo_bench.suites.content import content
from dumo_bench.suites.contract import sampling
from dumo_bench.types import Case, Job, Recipe, Sampling, Suite

REFERENCE = "original"
Maker = Callable[[str, Mapping[str, Any]], Method]


@dataclass(frozen=True, slots=True)
class Wish:
    """What was typed."""

    method: str
    suite: str
    cases: tuple[str, ...] = ()
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    fit_seed: int = 0
    dtype: str | None = None
    shard: tuple[int, int] = (0, 1)


@dataclass(frozen=True, slots=True)
class Part:
    """One case with the recipe that erases it, and its rows."""

    case: Case
    method: Method
    recipe: Recipe
    rows: Sequence[jobs.Row]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a run makes. `reference` holds the same rows as `parts`, of the unedited model."""

    suite: Suite
    model: str
    model_hash: str
    contract: Sampling
    parts: tuple[Part, ...]
    reference: tuple[Part, ...]
    content: str = ""  # the hash of the suite as its file states it, whatever the model

    def wanted(self, shard: tuple[int, int] = (0, 1)) -> list[Job]:
        """Each picture once: the reference's, then the method's."""
        every = jobs.unique(row.job for part in (*self.reference, *self.parts) for row in part.rows)
        return list(jobs.shard(every, *shard))


class Count(NamedTuple):
    """Pictures and edits: wanted, there, and the disk in bytes that the missing ones will take, where it is known."""

    pictures: int
    present: int
    edits: int
    edits_present: int
    bytes: int | None


def make(wish: Wish, maker: Maker) -> Plan:
    """The plan of a wish; everything in it is checked before anything is made."""
    if wish.limit is not None and wish.limit < 1:
        raise UserError(f"--limit {wish.limit}: wanted 1 or more")
    bounds.fit_seed(wish.fit_seed)
    suite = registry.load(wish.suite)
    held = content(suite)
    model = suite.sampling.model if wish.model is None else wish.model
    cases = chosen(suite, wish.cases)
    original, method = maker(REFERENCE, {}), maker(wish.method, {})
    reason = needs.lacking(method, model) or needs.lacking(original, model)
    if reason:
        raise needs.NotApplicable(reason, method.name, model, suite, cases)
    if model != suite.sampling.model:
        suite = resize.fitted(suite, resize.side(models.folder(model)))
    resize.possible(suite, models.folder(model))
    stated = replace(
        sampling(suite, model=models.resolve(model).name, dtype=wish.dtype), revision=revision(suite, model)
    )
    contract = defined(stated, model)
    weights = models.content_hash(model)

    def asked(case: Case) -> Method:
        return maker(wish.method, preset(method, case.task or suite.task, wish.settings))

    def part(case: Case, method: Method) -> Part:
        recipe = jobs.recipe(method, case.erase, fit_seed=wish.fit_seed, model=weights)
        return Part(case, method, recipe, jobs.rows(suite, case, recipe, contract, wish.limit))

    reference = tuple(part(case, original) for case in cases)
    own = tuple(part(case, asked(case)) for case in cases)
    return Plan(suite, model, weights, contract, () if method.name == REFERENCE else own, reference, held)


def revision(suite: Suite, model: str) -> str:
    """The revision that a suite states of its own model; one that is not what would be loaded is refused."""
    stated = suite.sampling.revision if model == suite.sampling.model else ""
    if stated and stated != (own := models.named(model).revision):
        raise UserError(
            f"suite {suite.name!r}: [sampling]: revision {stated!r} of {model}: {own or 'none'} is what is taken; for "
            "another give the folder of its snapshot as the model"
        )
    return stated


def defined(contract: Sampling, model: str) -> Sampling:
    """The contract with the whole definition of its sampler, as it samples this model."""
    schedule = models.schedule(model)
    samplers.check_steps(contract.scheduler, contract.steps, schedule)
    said = samplers.definition(contract.scheduler, schedule, contract.dtype)
    return replace(contract, sampler=said)


def chosen(suite: Suite, names: Sequence[str]) -> tuple[Case, ...]:
    """The suite's cases, or those of these names."""
    known = {case.name: case for case in suite.cases}
    for name in names:
        if name not in known:
            raise unknown(f"cases of {suite.name}", name, known)
    return tuple(known[name] for name in dict.fromkeys(names)) if names else suite.cases


def preset(method: Method, task: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The method's own settings for a task (`by_task`), under those that were typed."""
    return {**method.by_task.get(task, {}), **settings}


def count(plan: Plan, store: Store, shard: tuple[int, int] = (0, 1)) -> Count:
    """What is wanted and what is there. The disk is judged by the pictures that are there already."""
    wanted = plan.wanted(shard)
    there = [store.image_path(job) for job in wanted if store.has(job)]
    recipes = {part.recipe.key: part.recipe for part in plan.parts}
    size = sum(path.stat().st_size for path in there) / len(there) if there else None
    missing = len(wanted) - len(there)
    return Count(
        pictures=len(wanted),
        present=len(there),
        edits=len(recipes),
        edits_present=sum(store.has_edit(recipe) for recipe in recipes.values()),
        bytes=round(size * missing) if size is not None else (None if missing else 0),
    )
