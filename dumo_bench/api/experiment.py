"""An experiment as a value: methods with settings x suites x seeds, what measures them, and on what they run.

The flags of `dumo-bench run` are an experiment of one row; a file has more (`file.py`). Both are carried out alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Literal, NamedTuple

from dumo_bench.engines import Asked
from dumo_bench.errors import UserError, unknown
from dumo_bench.plugins import settings as setting
from dumo_bench.run.plan import Request
from dumo_bench.suites.file import DEFAULT

Dtype = Literal["float32", "float16", "bfloat16"]
Tracker = Literal["tensorboard", "wandb", "mlflow"]
Settings = Annotated[Mapping[str, Any], "Settings in place of the defaults, as behind --set."]


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """A method with its settings."""

    name: Annotated[str, "A name of `list methods`, package.module:Thing or file.py:Thing."]
    settings: Settings = field(default_factory=dict)
    seeds: Annotated[tuple[int, ...], "Seeds of its fits; without them the experiment's."] = ()


@dataclass(frozen=True, kw_only=True)
class SuiteRow:
    """A suite, or some of its cases."""

    name: Annotated[str, "A name of `list suites`, a .toml file or package.module:Thing."]
    cases: Annotated[tuple[str, ...], "Only these cases; without them all."] = ()
    limit: Annotated[int | None, "So many pictures a case; without it the experiment's."] = None
    scorers: Annotated[tuple[str, ...], "What measures it; without them the experiment's."] = ()


@dataclass(frozen=True, kw_only=True)
class AttackRow:
    """An attack, whose prompts every method is run on as well."""

    name: Annotated[str, "A name of `list attacks`, package.module:Thing or file.py:Thing."]
    settings: Settings = field(default_factory=dict)
    seed: Annotated[int, "Seed of the search."] = 0
    pictures: Annotated[int, "Seeds of each prompt that is found."] = 4


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Every method on every suite with every seed. Each field but the tables is called as its flag of `run`."""

    methods: Annotated[tuple[MethodRow, ...], "What erases."]
    suites: Annotated[tuple[SuiteRow, ...], "What is erased, and the prompts."]
    attacks: Annotated[tuple[AttackRow, ...], "What tries to bring it back."] = ()
    seeds: Annotated[tuple[int, ...], "Seeds of the fits; pictures have the suites' own."] = (0,)
    scorers: Annotated[tuple[str, ...], "Names of `list scorers`; default: those that the suite names."] = (DEFAULT,)
    model: Annotated[str | None, "A name of `list models`, a diffusers folder or a hub id; else the suite's."] = None
    dtype: Annotated[Dtype | None, "Precision of the model; else the suite's."] = None
    limit: Annotated[int | None, "So many pictures a case: roles and concepts stay in proportion."] = None
    shard: Annotated[str, "Only the I-th of N parts of the pictures, I/N from 0."] = "0/1"
    engine: Annotated[Literal["local", "ray"], "This process, or the workers of a Ray cluster."] = "local"
    address: Annotated[str | None, "With the engine ray: the cluster."] = None
    gpus_per_worker: Annotated[float | None, "With the engine ray."] = None
    cpus_per_worker: Annotated[int | None, "With the engine ray."] = None
    budget: Annotated[str | None, "As many pictures as one device makes in 2h, 90m, ...: a fair part."] = None
    batch_size: Annotated[int, "Pictures sampled at once."] = 16
    device: Annotated[str, "Where to compute: auto, cpu, cuda, cuda:0, ... or mps."] = "auto"
    out: Annotated[str, "The results folder; also s3://bucket/name."] = "results"
    log: Annotated[Tracker | None, "Who is told losses and numbers, too; prompts and pictures stay."] = None

    def __post_init__(self) -> None:
        for name in ("methods", "suites", "seeds"):
            if not getattr(self, name):
                raise UserError(f"an experiment lacks {name}: it would do nothing")
        self.check_flags()
        found = self.rows()
        if twice := next((row for n, row in enumerate(found) if row in found[:n]), None):
            raise UserError(f"an experiment has {twice} twice: leave one out")

    def check_flags(self) -> None:
        """Refuse what means nothing: which part, how long, where, by whom."""
        setting.shard(self.shard)
        if self.budget:
            setting.duration(self.budget)
        setting.device(self.device)
        self.workers.check(self.device)

    @property
    def workers(self) -> Asked:
        """Where its tasks are done."""
        return Asked(self.engine, self.address, self.gpus_per_worker, self.cpus_per_worker)

    def rows(self) -> list[Row]:
        """Suite by suite, so that what its methods share is made once."""
        return grid(self, self.methods, self.suites)

    def changed(self, **more: Any) -> Experiment:
        """The same with other values, which also are in place of what its suites say of theirs."""
        return replace(self, suites=over(self.suites, more), **more)


class Row(NamedTuple):
    """One method on one suite with one seed, and what measures it."""

    request: Request
    scorers: tuple[str, ...]

    def __str__(self) -> str:
        asked = self.request
        of = ", ".join(f"{key}={value}" for key, value in asked.settings.items())
        on = ", ".join((asked.suite, *asked.cases))
        return f"{asked.method}{f' ({of})' if of else ''} on {on}, seed {asked.fit_seed}"


def grid(
    of: Experiment, methods: Sequence[MethodRow], suites: Sequence[SuiteRow], scorers: Sequence[str] = ()
) -> list[Row]:
    """Every one of these methods on every one of these suites, as an experiment has them run."""
    shard = setting.shard(of.shard)

    def row(suite: SuiteRow, method: MethodRow, seed: int) -> Row:
        limit = of.limit if suite.limit is None else suite.limit
        request = Request(
            method=method.name, suite=suite.name, cases=suite.cases, model=of.model, settings=method.settings,
            limit=limit, fit_seed=seed, dtype=of.dtype, shard=shard,
        )  # fmt: skip
        return Row(request, suite.scorers or tuple(scorers) or of.scorers)

    return [
        row(suite, method, seed)
        for suite in suites
        for method in methods
        for seed in method.seeds or of.seeds
    ]  # fmt: skip


def over(suites: Sequence[SuiteRow], more: Mapping[str, Any]) -> tuple[SuiteRow, ...]:
    """Suites without what they say of their own, where the whole says it anew."""
    own = {name: default for name, default in _OF_SUITES.items() if name in more}
    return tuple(replace(one, **own) for one in suites)


def asked(
    of: Experiment | None = None,
    *,
    method: str | None = None,
    suite: str | None = None,
    cases: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    **more: Any,
) -> Experiment:
    """An experiment with other values of its fields, which also are in place of what its suites say of theirs; without
    one that of a method on a suite. more: fields of an Experiment."""
    if odd := next((name for name in more if name not in _FIELDS), None):
        raise unknown("fields of an experiment", odd, _FIELDS)
    row = {"method": method, "suite": suite, "cases": tuple(cases), "settings": settings, "seed": seed}
    said = [name for name, value in row.items() if value not in (None, ())]
    if of is not None:
        if said:
            raise UserError(f"an experiment says its own methods, suites and seeds: leave {', '.join(said)} out")
        return of.changed(**more)
    if method is None or suite is None:
        lacks = " and ".join(name for name in ("method", "suite") if row[name] is None)
        raise UserError(
            f"wanted a method and a suite, or an experiment: {lacks} {'is' if lacks in row else 'are'} lacking"
        )
    erases = MethodRow(name=method, settings=settings or {})
    return Experiment(methods=(erases,), suites=(SuiteRow(name=suite, cases=tuple(cases)),), seeds=(seed or 0,), **more)


_FIELDS = tuple(one.name for one in fields(Experiment))
#: fields of a suite's row that an experiment has as well, unsaid
_OF_SUITES: Mapping[str, Any] = {"limit": None, "scorers": ()}
