"""What a request comes to: the cases, each with its method, its recipe and its rows. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dumo_bench.errors import UserError, unknown
from dumo_bench.hosts import models, samplers
from dumo_bench.interfaces import Method
from dumo_bench.run import given, jobs, needs, resize
from dumo_bench.run.given import Given
from dumo_bench.storage.store import Store
from dumo_bench.suites import bounds, registry
from dumo_bench.suites.content import content
from dumo_bench.suites.contract import sampling
from dumo_bench.types import Case, Job, Recipe, Sampling, Suite

REFERENCE = "original"
Maker = Callable[[str, Mapping[str, Any]], Method]


@dataclass(frozen=True, slots=True)
class Request:
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
    given: Given = field(default_factory=Given)  # what it is fitted with, beside its settings


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

    @property
    def told(self) -> list[str]:
        """What methods are given beside their settings, a sentence each."""
        every = (line for part in self.parts for line in given.told(part.method.name, part.given.said))
        return list(dict.fromkeys(every))

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


def make(request: Request, maker: Maker) -> Plan:
    """The plan of a request; everything in it is checked before anything is made."""
    if request.limit is not None and request.limit < 1:
        raise UserError(f"--limit {request.limit}: wanted 1 or more")
    bounds.fit_seed(request.fit_seed)
    suite = registry.load(request.suite)
    held = content(suite)
    model = suite.sampling.model if request.model is None else request.model
    cases = chosen(suite, request.cases)
    original, method = maker(REFERENCE, {}), maker(request.method, {})
    reason = needs.lacking(method, model) or needs.lacking(original, model)
    if reason:
        raise needs.NotApplicable(reason, method.name, model, suite, cases)
    if model != suite.sampling.model:
        suite = resize.fitted(suite, resize.side(models.folder(model)))
    resize.possible(suite, models.folder(model))
    stated = replace(
        sampling(suite, model=models.resolve(model).name, dtype=request.dtype), revision=revision(suite, model)
    )
    contract = defined(stated, model)
    weights = models.content_hash(model)

    def asked(case: Case) -> Method:
        return maker(request.method, preset(method, case.task or suite.task, request.settings))

    def part(case: Case, method: Method, has: Given) -> Part:
        recipe = jobs.recipe(method, case.erase, fit_seed=request.fit_seed, model=weights, said=has.said)
        return Part(case, method, recipe, jobs.rows(suite, case, recipe, contract, request.limit), has)

    def own(case: Case) -> Part:
        one = asked(case)
        return part(case, one, given.make(one, case, case.task or suite.task, model, weights))

    reference = tuple(part(case, original, Given()) for case in cases)
    fitted = () if method.name == REFERENCE else tuple(map(own, cases))
    return Plan(suite, model, weights, contract, fitted, reference, held)


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
