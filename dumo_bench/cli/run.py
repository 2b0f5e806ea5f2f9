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
    Dtype,
    Engine,
    Gpus,
    Json,
    Limit,
    Method,
    Model,
    Out,
    Probe,
    Scorers,
    Seed,
    Settings,
    Shard,
    Suite,
)


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


@given("request", request)
def plan(
    request: Any,
    *,
    scorers: Scorers = DEFAULT_SCORERS,
    probe: Probe = False,
    budget: Budget = None,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """What a run would make: pictures and edits wanted, present and missing, and what would measure. Makes nothing."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins import static
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import choice, steps
    from dumo_bench.run import plan as planning
    from dumo_bench.storage.store import Store

    found = planning.make(request, static.make, unseen=True)
    measured = choice.make(listing(scorers), found.suite)
    steps.check(measured.specs, found.suite, out)
    counted, not_judged = (
        planning.count(found, Store(out), request.shard),
        choice.not_judged(measured.specs, found.suite),
    )
    if not as_json:
        show.plan(found, counted, out)
        show.scorers(measured, not_judged)
    costs = [_cost(request, budget, device, batch_size, out)] if probe or budget else []
    if as_json:
        tables = documents.plan(found, counted, measured, not_judged) | documents.costs(costs)
        output.emit("plan", tables, documents.REASONS)
        return
    for cost in costs:
        show.cost(cost)


def _cost(request: Any, budget: str | None, device: str, batch_size: int, out: Path) -> Any:
    """What a run would cost, measured here; what of it a time is enough for is said."""
    from dumo_bench import engines
    from dumo_bench.plugins.settings import duration
    from dumo_bench.run import budget as budgets
    from dumo_bench.run.session import Session

    seconds = duration(budget) if budget else None
    with engines.make(engines.Asked(), device) as here:
        session = Session(request, out, here, device, batch_size)
        cost = budgets.measured(session)
        if seconds:
            budgets.within(session, cost, seconds)
        return cost


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
    output.emit("generate", documents.made(session)) if as_json else show.made(session)
    raise typer.Exit(1 if failed else 0)


@given("request", request, "shard")
@given("asked", _asked)
def score(
    request: Any, asked: Any, *, scorers: Scorers = DEFAULT_SCORERS, out: Out = Path("results"), as_json: Json = False
) -> None:
    """Score the pictures that are there, of a method and of the unedited model, and summarise."""
    from dumo_bench import engines
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    with engines.make(asked, "auto") as engine:
        session = Session(request, out, engine)
        specs = steps.chosen(session, listing(scorers))
        steps.check(specs, session.plan.suite, out)
        steps.score(session, specs)
    output.emit("score", documents.summary(session)) if as_json else show.summary(session)
    show.gone(out)
    raise typer.Exit(1 if session.failed else 0)


@given("request", request)
@given("asked", _asked)
def run(
    request: Any,
    asked: Any,
    *,
    budget: Budget = None,
    scorers: Scorers = DEFAULT_SCORERS,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """fit + generate + score + summary, for every case of a suite; what is there is not made again."""
    from dumo_bench import engines
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import duration, listing
    from dumo_bench.run import budget as budgets
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    seconds = duration(budget) if budget else None
    with engines.make(asked, device) as engine:
        session = Session(request, out, engine, device, batch_size)
        steps.needed(session)
        if seconds:
            session = budgets.within(session, budgets.measured(session), seconds)
        scored = steps.run(session, steps.chosen(session, listing(scorers)))
    if as_json:
        output.emit("run", documents.made(session) | (documents.summary(session) if scored else {"summary": []}))
    else:
        show.made(session)
    if scored:
        if not as_json:
            show.summary(session)
        show.gone(out)
    elif not as_json:
        show.echo("Scoring waits for the other shards: the same command scores once their pictures are in the folder.")
    raise typer.Exit(1 if session.failed else 0)
