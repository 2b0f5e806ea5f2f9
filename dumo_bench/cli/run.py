"""`plan`, `fit`, `generate`, `score`, `run`: a request, and how far it is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from dumo_bench.run.plan import Wish


def plan(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    scorers: Scorers = DEFAULT_SCORERS,
    limit: Limit = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    out: Out = Path("results"),
    shard: Shard = "0/1",
    as_json: Json = False,
) -> None:
    """What a run would make: pictures and edits wanted, present and missing, and what would measure. Makes nothing."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins import static
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import choice, steps
    from dumo_bench.run import plan as planning
    from dumo_bench.storage.store import Store

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, shard)
    found = planning.make(wish, static.make)
    measured = choice.make(listing(scorers), found.suite)
    steps.check(measured.specs, out)
    counted, not_judged = planning.count(found, Store(out), wish.shard), choice.not_judged(measured.specs, found.suite)
    if as_json:
        output.emit("plan", documents.plan(found, counted, measured, not_judged), documents.REASONS)
        return
    show.plan(found, counted, out)
    show.scorers(measured, not_judged)


def fit(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    device: Device = "auto",
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Learn the edits of a suite's cases; prints their files."""
    from dumo_bench.cli import output
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    wish = _wish(method, suite, case, model, settings, None, seed, dtype, "0/1")
    found = steps.fit(Session(wish, out, device))
    if as_json:
        output.emit("fit", {"edits": output.paths(found)})
        return
    for path in found:
        typer.echo(path)


def generate(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    limit: Limit = None,
    batch_size: Batch = 16,
    device: Device = "auto",
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    out: Out = Path("results"),
    shard: Shard = "0/1",
    as_json: Json = False,
) -> None:
    """Make the pictures of a method, and of the unedited model, that are not there; fits what is not fitted."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, shard)
    session = Session(wish, out, device, batch_size)
    failed = steps.generate(session)
    output.emit("generate", documents.made(session)) if as_json else show.made(session)
    raise typer.Exit(1 if failed else 0)


def score(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    scorers: Scorers = DEFAULT_SCORERS,
    limit: Limit = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Score the pictures that are there, of a method and of the unedited model, and summarise."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, "0/1")
    session = Session(wish, out)
    specs = steps.chosen(session, listing(scorers))
    steps.check(specs, out)
    steps.score(session, specs)
    output.emit("score", documents.summary(session)) if as_json else show.summary(session)
    show.gone(out)
    raise typer.Exit(1 if session.failed else 0)


def run(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    scorers: Scorers = DEFAULT_SCORERS,
    limit: Limit = None,
    batch_size: Batch = 16,
    device: Device = "auto",
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    out: Out = Path("results"),
    shard: Shard = "0/1",
    as_json: Json = False,
) -> None:
    """fit + generate + score + summary, for every case of a suite; what is there is not made again."""
    from dumo_bench.cli import documents, output, show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import steps
    from dumo_bench.run.session import Session

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, shard)
    session = Session(wish, out, device, batch_size)
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
        typer.echo("Scoring waits for the other shards: the same command scores once their pictures are in the folder.")
    raise typer.Exit(1 if session.failed else 0)


def _wish(
    method: str,
    suite: str,
    case: list[str] | None,
    model: str | None,
    settings: list[str] | None,
    limit: int | None,
    seed: int,
    dtype: str | None,
    shard: str,
) -> Wish:
    from dumo_bench.plugins import settings as setting
    from dumo_bench.run.plan import Wish

    return Wish(
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
