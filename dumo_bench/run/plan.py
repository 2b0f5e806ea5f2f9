"""What a request comes to: the cases, each with its method, its recipe and its rows. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from dumo_bench.errors import UserError, unknown
from dumo_bench.hosts import flows, kinds, models, samplers
from dumo_bench.interfaces import Method, Sequel
from dumo_bench.plugins import settings as setting
from dumo_bench.run import given, jobs, needs, resize, whole
from dumo_bench.run.given import Given
from dumo_bench.storage.store import Store
from dumo_bench.suites import bounds, registry
from dumo_bench.suites.content import content
from dumo_bench.suites.contract import sampling
from dumo_bench.types import BASE, Case, Job, Recipe, Sampling, Suite

REFERENCE = "original"
_PIXEL = 1.5  # bytes of a PNG a pixel
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
    base: Part | None = None  # what it is learnt on top of, without rows


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
    """Pictures and edits: wanted, there (None: not known, for the model is not on this machine), and the disk in bytes
    that the missing pictures will take. An edit that needs no fit, since it is taken of one that is there, is there."""

    pictures: int
    present: int | None
    edits: int
    edits_present: int | None
    bytes: int


def make(request: Request, maker: Maker, *, unseen: bool = False) -> Plan:
    """The plan of a request; everything in it is checked before anything is made.

    unseen: whether the model may be missing on this machine. Then nothing is checked against it, sizes are the suite's,
    the model's hash is "", and no key is one that a run would have.
    """
    if request.limit is not None and request.limit < 1:
        raise UserError(f"--limit {request.limit}: wanted 1 or more")
    bounds.fit_seed(request.fit_seed)
    suite = registry.load(request.suite)
    held = content(suite)
    model = suite.sampling.model if request.model is None else request.model
    cases = chosen(suite, request.cases)
    original, method = maker(REFERENCE, {}), maker(request.method, {})
    kind = ""
    if unseen and not models.here(model):
        contract, weights = stated(suite, model, request.dtype), ""
    else:
        if reason := next(filter(None, (needs.lacking(one, model) for one in (*chain(method), original))), ""):
            raise needs.NotApplicable(reason, method.name, model, suite, cases)
        if model != suite.sampling.model:
            suite = resize.fitted(suite, resize.side(models.folder(model)))
        resize.possible(suite, models.folder(model))
        contract = defined(stated(suite, model, request.dtype), model)
        weights, kind = models.content_hash(model), kind_of(model).name

    def rows(case: Case, recipe: Recipe) -> Sequence[jobs.Row]:
        return jobs.rows(suite, case, recipe, contract, request.limit)

    def learnt(method: Method, case: Case, task: str) -> Part:
        has = given.make(taught(method), case, task, model, weights) if weights else Given()
        under, said = None, has.said
        if isinstance(method, Sequel):
            inner, erase = method.base(case.erase)
            under = learnt(inner, Case("", tuple(erase), case.task), task)
            said = {**said, BASE: replace(under.recipe, fit_seed=0).key[:12]}
        recipe = jobs.recipe(method, case.erase, fit_seed=request.fit_seed, model=weights, said=said)
        return Part(case, method, recipe, (), has, under)

    def own(case: Case) -> Part:
        task = case.task or suite.task
        one = learnt(over(method, maker, request.method, request.settings, task, kind), case, task)
        return replace(one, rows=rows(case, one.recipe))

    def unedited(case: Case) -> Part:
        recipe = jobs.recipe(original, case.erase, fit_seed=request.fit_seed, model=weights)
        return Part(case, original, recipe, rows(case, recipe))

    reference = tuple(map(unedited, cases))
    fitted = () if method.name == REFERENCE else tuple(map(own, cases))
    return Plan(suite, model, weights, contract, fitted, reference, held)


def stated(suite: Suite, model: str, dtype: str | None) -> Sampling:
    """The contract as the suite states it."""
    found = sampling(suite, model=models.named(model).name, dtype=dtype)
    return replace(found, revision=revision(suite, model))


def revision(suite: Suite, model: str) -> str:
    """The revision that a suite states of its own model; one that is not what would be loaded is refused."""
    said = suite.sampling.revision if model == suite.sampling.model else ""
    if said and said != (own := models.named(model).revision):
        raise UserError(
            f"suite {suite.name!r}: [sampling]: revision {said!r} of {model}: {own or 'none'} is what is taken; for "
            "another give the folder of its snapshot as the model"
        )
    return said


def defined(contract: Sampling, model: str) -> Sampling:
    """The contract with the whole definition of its sampler, as it samples this model.

    A flow model is sampled by its own where the suite names a sampler of noise.
    """
    schedule, kind = models.schedule(model), kind_of(model)
    name = flows.fitting(contract.scheduler, kind)
    if kind.flow:
        flows.check_steps(name, contract.steps, schedule)
        said = flows.definition(name, schedule, samplers.vae_dtype(contract.dtype))
    else:
        samplers.check_steps(name, contract.steps, schedule)
        said = samplers.definition(name, schedule, contract.dtype)
    return replace(contract, scheduler=name, sampler=said)


def kind_of(model: str) -> kinds.Kind:
    """The kind of a model on this machine."""
    return models.kind(models.folder(model)) or kinds.SD


def chosen(suite: Suite, names: Sequence[str]) -> tuple[Case, ...]:
    """The suite's cases, or those of these names."""
    known = {case.name: case for case in suite.cases}
    for name in names:
        if name not in known:
            raise unknown(f"cases of {suite.name}", name, known)
    return tuple(known[name] for name in dict.fromkeys(names)) if names else suite.cases


def preset(method: Method, task: str, settings: Mapping[str, Any], kind: str = "") -> dict[str, Any]:
    """The method's own settings for a task and for a kind of models (`by_task`, `by_kind`), under those typed."""
    return {**method.by_task.get(task, {}), **method.by_kind.get(kind, {}), **settings}


def over(method: Method, maker: Maker, spec: str, settings: Mapping[str, Any], task: str, kind: str) -> Method:
    """The method with its own settings for a task and a kind, on top of one with its own."""
    made = maker(spec, preset(method, task, settings, kind))
    if not isinstance(made, Sequel):
        return made
    return made.over(over(made.inner, maker, made.of, setting.parse(made.of_set), task, kind))


def chain(method: Method) -> Iterator[Method]:
    """A method, and those below it."""
    yield method
    if isinstance(method, Sequel):
        yield from chain(method.inner)


def taught(method: Method) -> Method:
    """Whose numbers of the model's own a method is fitted with."""
    return method.inner if isinstance(method, Sequel) and method.teaches else method


def count(plan: Plan, store: Store, shard: tuple[int, int] = (0, 1)) -> Count:
    """What is wanted and what is there. The disk is judged by the pictures that are there already."""
    wanted = plan.wanted(shard)
    edits = {part.recipe.key: part for part in plan.parts}
    if not plan.model_hash:
        return Count(len(wanted), None, len(edits), None, _disk(wanted))
    sizes = store.sizes(wanted)
    missing = [job for job, size in zip(wanted, sizes, strict=True) if size is None]
    there = [size for size in sizes if size is not None]
    return Count(
        pictures=len(wanted),
        present=len(there),
        edits=len(edits),
        edits_present=sum(_learnt(part, store) for part in edits.values()),
        bytes=round(sum(there) / len(there) * len(missing)) if there else _disk(missing),
    )


def _learnt(part: Part, store: Store) -> bool:
    """Whether there is nothing to fit: the edit is there, or what it is taken of."""
    return any(store.has_edit(recipe) for recipe in (part.recipe, whole.recipe(part.method, part.recipe)))


def _disk(jobs: Sequence[Job]) -> int:
    """Bytes of pictures, where none is there to judge by."""
    return round(_PIXEL * sum(job.sampling.width * job.sampling.height for job in jobs))
