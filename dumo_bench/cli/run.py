"""`plan`, `fit`, `generate`, `score`, `run`: a request, and how far it is carried out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from dumo_bench.cli.options import (
    DEFAULT_SCORERS,
    Address,
    Batch,
    Budget,
    Cases,
    Cpus,
    Device,
    DryRun,
    Dtype,
    Engine,
    File,
    Gpus,
    Json,
    Limit,
    Log,
    Method,
    Model,
    OneMethod,
    OneSuite,
    Out,
    Probe,
    Scorers,
    Seed,
    Settings,
    Shard,
    Suite,
)
from dumo_bench.errors import UserError


def given(what: str, by: Callable[..., Any], *left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes the options of `by`, but for some, and is given what that makes as its argument `what`."""

    def made(command: Callable[..., None]) -> Callable[..., None]:
        asked, own = (inspect.signature(one, eval_str=True).parameters.values() for one in (by, command))
        shared = [one for one in asked if one.name not in left_out]

        @wraps(command)
        def run(**typed: Any) -> None:
            found = by(**{one.name: typed.pop(one.name) for one in shared})
            command(**{what: found}, **typed)

        options = [one.replace(kind=one.KEYWORD_ONLY) for one in (*shared, *own) if one.name != what]
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in options}
        return run

    return made


def request(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    limit: Limit = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    shard: Shard = "0/1",
) -> Any:
    from dumo_bench.plugins import settings as setting
    from dumo_bench.run.plan import Request

    return Request(
        method=method,
        suite=suite,
        cases=tuple(case or ()),
        model=model,
        settings=setting.parse(settings or ()),
        limit=limit,
        fit_seed=seed,
        dtype=dtype,
        shard=setting.shard(shard),
    )


def _asked(
    engine: Engine = "local", address: Address = None, gpus_per_worker: Gpus = None, cpus_per_worker: Cpus = None
) -> Any:
    from dumo_bench.engines import Asked

    return Asked(engine, address, gpus_per_worker, cpus_per_worker)


def experiment(
    context: typer.Context,
    file: File = None,
    method: OneMethod = None,
    suite: OneSuite = None,
    case: Cases = None,
    settings: Settings = None,
    seed: Seed = 0,
    model: Model = None,
    limit: Limit = None,
    dtype: Dtype = None,
    shard: Shard = "0/1",
    scorers: Scorers = DEFAULT_SCORERS,
    engine: Engine = "local",
    address: Address = None,
    gpus_per_worker: Gpus = None,
    cpus_per_worker: Cpus = None,
    budget: Budget = None,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    log: Log = None,
) -> Any:
    """An experiment of a file, with what was typed in place of what it says, or the one row that was typed."""
    from dumo_bench import api
    from dumo_bench.plugins import settings as setting

    every = {
        "method": method, "suite": suite, "cases": tuple(case or ()), "settings": settings and setting.parse(settings),
        "seed": seed, "model": model, "limit": limit, "dtype": dtype, "shard": shard,
        "scorers": setting.listing(scorers), "engine": engine, "address": address, "gpus_per_worker": gpus_per_worker,
        "cpus_per_worker": cpus_per_worker, "budget": budget, "batch_size": batch_size, "device": device,
        "out": str(out), "log": log,
    }  # fmt: skip
    if file is None and (lacks := [f"--{name}" for name in ("method", "suite") if every[name] is None]):
        said = f"{' and '.join(lacks)} or an experiment's file wanted: see {context.command_path} --help"
        raise UserError(f"{context.info_name}: {said}")
    called = {"cases": "case"}
    given = {name: value for name, value in every.items() if typed(context, called.get(name, name))}
    return api.asked(file, **given)


def typed(context: typer.Context, name: str) -> bool:
    """Whether an option was given, and not left at its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


@given("experiment", experiment, "log")
def plan(experiment: Any, *, probe: Probe = False, as_json: Json = False) -> None:
    """What a run would make: pictures and edits wanted, present and missing, and what would measure. Makes nothing."""
    _plan(experiment, probe=probe, as_json=as_json)


def _plan(experiment: Any, *, probe: bool, as_json: bool) -> None:
    from dumo_bench import api
    from dumo_bench.api import carry
    from dumo_bench.cli import documents, output, planned

    found = api.plan(experiment)
    if not as_json:
        planned.planned(found, experiment.out)
    costs = carry.costs(experiment) if probe or experiment.budget else []
    if as_json:
        output.emit("plan", documents.planned(found) | documents.costs(costs), documents.REASONS)
        return
    for cost in costs:
        planned.cost(cost)


@given("request", request, "limit", "shard")
@given("asked", _asked)
def fit(
    request: Any, asked: Any, *, device: Device = "auto", out: Out = Path("results"), as_json: Json = False
) -> None:
    """Learn the edits of a suite's cases; prints their files."""
    from dumo_bench import engines
    from dumo_bench.cli import output, show
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    with engines.make(asked, device) as engine:
        found = steps.fit(Session(request, out, engine, device))
    if as_json:
        output.emit("fit", {"edits": output.paths(found)})
        return
    for path in found:
        show.echo(path)


@given("request", request)
@given("asked", _asked)
def generate(
    request: Any,
    asked: Any,
    *,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Make the pictures of a method, and of the unedited model, that are not there; fits what is not fitted."""
    from dumo_bench import engines
    from dumo_bench.cli import documents, output, show
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    with engines.make(asked, device) as engine:
        session = Session(request, out, engine, device, batch_size)
        failed = steps.generate(session)
    output.emit("generate", documents.made([session])) if as_json else show.made(session)
    raise typer.Exit(1 if failed else 0)


@given("request", request, "shard")
@given("asked", _asked)
def score(
    request: Any,
    asked: Any,
    *,
    scorers: Scorers = DEFAULT_SCORERS,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Score the pictures that are there, of a method and of the unedited model, and summarise."""
    from dumo_bench import engines
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import before, steps
    from dumo_bench.run.session import Session

    with engines.make(asked, device) as engine:
        session = Session(request, out, engine, device)
        specs = before.chosen(session, listing(scorers))
        before.check(specs, session.plan.suite, out)
        steps.score(session, specs)
    if as_json:
        output.emit("score", documents.summary([session]))
    else:
        show.summary(session)
        show.details(out)
    show.gone(out)
    raise typer.Exit(1 if session.failed else 0)


@given("experiment", experiment)
def run(experiment: Any, *, dry_run: DryRun = False, as_json: Json = False) -> None:
    """fit + generate + score + summary, of an experiment's file or of one method on one suite.

    What is there is not made again. Ends with a verdict a case: is the concept gone, and is the rest kept?
    """
    if dry_run:
        _plan(experiment, probe=False, as_json=as_json)
        return
    from dumo_bench.api import carry
    from dumo_bench.cli import documents, output, show

    found = []
    for done in carry.each(experiment):
        found.append(done)
        if not as_json:
            show.done(done)
    if as_json:
        output.emit("run", documents.done(found))
    elif any(one.scored for one in found):
        show.details(found[-1].session.out)
    if any(one.scored for one in found):
        show.gone(found[-1].session.out)
    raise typer.Exit(1 if any(one.failed for one in found) else 0)
