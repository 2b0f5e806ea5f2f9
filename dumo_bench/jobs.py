"""(suite, case, recipe) -> rows, each with the job that makes its picture; a fair part of them; one shard of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from dumo_bench.types import Case, Draw, Job, Method, Prompt, Recipe, Role, Sampling, Suite, UserError, digest

T = TypeVar("T")
OF_ROWS = ("guidance", "height", "width")  # what a row may state in place of the contract's
PER_ROW = "per row"


@dataclass(frozen=True, slots=True)
class Row:
    """One picture that a suite asks for. Rows that ask for the same picture have equal jobs."""

    case: Case
    role: Role
    prompt: Prompt
    draw: Draw
    job: Job


def recipe(method: Method, erase: Sequence[str], *, fit_seed: int, model: str) -> Recipe:
    """What determines an edit. `model` is the content hash. The original erases nothing, so all cases share it.

    A method whose settings do not say all, a path for one, says by `identity()` what does. None can erase nothing.
    """
    own = getattr(method, "identity", None)
    params = own() if own else {f.name: getattr(method, f.name) for f in dataclasses.fields(method)}  # type: ignore[arg-type]
    if method.name == "original":
        return Recipe(method.name, method.version, params, (), 0, model)
    if not erase or not all(concept.strip() for concept in erase):
        raise UserError(f"{method.name}: wanted one concept or more to erase, none of them empty, got {list(erase)}")
    return Recipe(method.name, method.version, params, tuple(erase), fit_seed, model)


def sampling(suite: Suite, *, model: str | None = None, dtype: str | None = None) -> Sampling:
    """The suite's sampling contract, with the user's model and precision where given."""
    return replace(suite.sampling, model=model or suite.sampling.model, dtype=dtype or suite.sampling.dtype)


def resolved(contract: Sampling, prompt: Prompt) -> Sampling:
    """The contract with the guidance and the size that the prompt's own row states."""
    own = {name: getattr(prompt, name) for name in OF_ROWS}
    return replace(contract, **{name: value for name, value in own.items() if value is not None})


def contract_key(suite: Suite, contract: Sampling) -> str:
    """The hash of a contract, and of its rule for guidance and size: one value for all, or each row its own.

    I2P at 7.5 throughout and I2P as its rows say are two contracts, though both write down the same 7.5.
    """
    return key_by_rows(contract, [name for name in OF_ROWS if _stated(suite, name)])


def key_by_rows(contract: Sampling, own: Sequence[str]) -> str:
    """The hash of a contract where rows state what is in `own`, some of OF_ROWS in their order."""
    return digest([contract.key, list(own)])[:12] if own else contract.key


def described(suite: Suite, contract: Sampling) -> dict[str, Any]:
    """A contract as it is written down: its key, its fields, and in place of what rows state the rule."""
    said = {name: by_rows(getattr(contract, name), _stated(suite, name), len(suite.prompts)) for name in OF_ROWS}
    return {"key": contract_key(suite, contract), **dataclasses.asdict(contract), **said}


def by_rows(value: float, stated: int, rows: int) -> float | str:
    """What holds for rows of which some state a value of their own."""
    return value if not stated else PER_ROW if stated == rows else f"{PER_ROW}, else {value:g}"


def _stated(suite: Suite, name: str) -> int:
    """How many rows of a suite state this themselves."""
    return sum(getattr(prompt, name) is not None for prompt in suite.prompts)


def rows(suite: Suite, case: Case, recipe: Recipe, contract: Sampling, limit: int | None = None) -> list[Row]:
    """Every picture of a case, in the suite's order; with `limit`, a fair part of them."""
    every = [
        Row(case, suite.role(case, prompt), prompt, draw, Job(recipe, prompt.text, draw, resolved(contract, prompt)))
        for prompt in suite.prompts
        for draw in prompt.draws
    ]
    return every if limit is None else fair(every, limit)


def fair(every: Sequence[Row], limit: int) -> list[Row]:
    """`limit` rows in the suite's order: roles in proportion, within a role concepts, first draws before second ones.

    A prefix property: a larger limit only adds rows, so pictures of a smaller run are used again.
    """
    place = {id(row): n for n, row in enumerate(every)}
    by_draw = sorted(every, key=lambda row: (row.draw.index, row.prompt.draws.index(row.draw), place[id(row)]))
    within = [
        row for _, group in _groups(by_draw, lambda r: r.role) for row in interleaved(group, lambda r: r.prompt.concept)
    ]
    chosen = interleaved(within, lambda row: row.role)[:limit]
    return sorted(chosen, key=lambda row: place[id(row)])


def interleaved(items: Iterable[T], group: Callable[[T], Hashable]) -> list[T]:
    """The items so ordered that every prefix holds each group in proportion to its size, give or take one."""
    ranked: list[tuple[float, int, T]] = []
    for number, (_, members) in enumerate(_groups(items, group)):
        ranked += [((k + 0.5) / len(members), number, item) for k, item in enumerate(members)]
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]


def shard(jobs: Sequence[T], index: int, of: int) -> Sequence[T]:
    """The `index`-th of `of` parts; together the parts are all jobs, each once."""
    if not 0 <= index < of:
        raise ValueError(f"shard {index}/{of}: wanted 0 <= i < n")
    return jobs[index::of]


def unique(jobs: Iterable[Job]) -> list[Job]:
    """Each picture once, in order."""
    return list({job.key: job for job in jobs}.values())


def _groups(items: Iterable[T], group: Callable[[T], Hashable]) -> list[tuple[Hashable, list[T]]]:
    found: dict[Hashable, list[T]] = {}
    for item in items:
        found.setdefault(group(item), []).append(item)
    return list(found.items())
