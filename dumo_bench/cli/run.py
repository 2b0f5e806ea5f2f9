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
    Batch,
    Cases,
    Device,
    Dtype,
    Json,
    Limit,
    Method,
    Model,
    Out,
    Scorers,
    Seed,
    Settings,
    Shard,
    Suite,
)


def requests(*left_out: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command that takes the options of a request, but for some, and gives it as its first argument."""

    def made(command: Callable[..., None]) -> Callable[..., None]:
        asked, own = (inspect.signature(one, eval_str=True).parameters.values() for one in (_request, command))
        shared = [one for one in asked if one.name not in left_out]

        @wraps(command)
        def run(**given: Any) -> None:
            command(_request(**{one.name: given.pop(one.name) for one in shared}), **given)

        options = [*shared, *(one for one in own if one.name != "request")]
        run.__signature__ = inspect.Signature(options)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in options}
        return run

    return made


def _request(
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


@requests()
def plan(
    request: Any, *, scorers: Scorers = DEFAULT_SCORERS, out: Out = Path("results"), as_json: Json = False
) -> None:
    """What a run would make: pictures and edits wanted, present and missing, and what would measure. Makes nothing."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins import static
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import choice, steps
    from dumo_bench.run import plan as planning
    from dumo_bench.storage.store import Store

    found = planning.make(request, static.make)
    measured = choice.make(listing(scorers), found.suite)
    steps.check(measured.specs, found.suite, out)
    counted, not_judged = (
        planning.count(found, Store(out), request.shard),
        choice.not_judged(measured.specs, found.suite),
    )
    if as_json:
        output.emit("plan", documents.plan(found, counted, measured, not_judged), documents.REASONS)
        return
    show.plan(found, counted, out)
    show.scorers(measured, not_judged)


@requests("limit", "shard")
def fit(request: Any, *, device: Device = "auto", out: Out = Path("results"), as_json: Json = False) -> None:
    """Learn the edits of a suite's cases; prints their files."""
    from dumo_bench.cli import output, show
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    found = steps.fit(Session(request, out, device))
    if as_json:
        output.emit("fit", {"edits": output.paths(found)})
        return
    for path in found:
        show.echo(path)


@requests()
def generate(
    request: Any, *, batch_size: Batch = 16, device: Device = "auto", out: Out = Path("results"), as_json: Json = False
) -> None:
    """Make the pictures of a method, and of the unedited model, that are not there; fits what is not fitted."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    session = Session(request, out, device, batch_size)
    failed = steps.generate(session)
    output.emit("generate", documents.made(session)) if as_json else show.made(session)
    raise typer.Exit(1 if failed else 0)


@requests("shard")
def score(
    request: Any, *, scorers: Scorers = DEFAULT_SCORERS, out: Out = Path("results"), as_json: Json = False
) -> None:
    """Score the pictures that are there, of a method and of the unedited model, and summarise."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    session = Session(request, out)
    specs = steps.chosen(session, listing(scorers))
    steps.check(specs, session.plan.suite, out)
    steps.score(session, specs)
    output.emit("score", documents.summary(session)) if as_json else show.summary(session)
    show.gone(out)
    raise typer.Exit(1 if session.failed else 0)


@requests()
def run(
    request: Any,
    *,
    scorers: Scorers = DEFAULT_SCORERS,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """fit + generate + score + summary, for every case of a suite; what is there is not made again."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    session = Session(request, out, device, batch_size)
    steps.needed(session)
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
