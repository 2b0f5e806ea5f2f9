"""`dumo-bench reproduce`: a paper's tables run again, ours beside what was published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dumo_bench.cli import complete
from dumo_bench.cli.options import (
    Address,
    Batch,
    Budget,
    Cpus,
    Device,
    Dtype,
    Engine,
    Gpus,
    Json,
    Limit,
    Model,
    Out,
    Shard,
)
from dumo_bench.cli.run import typed
from dumo_bench.errors import UserError
from dumo_bench.progress import log

if TYPE_CHECKING:
    from dumo_bench.api.carry import Done
    from dumo_bench.api.paper import Paper
    from dumo_bench.papers import Found, Grid, Runs

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|FILE.toml]",
        show_default=False,
        help="A name of `list papers`, or a file of one (docs/reproduce.md); without it these are listed.",
        autocompletion=complete.reproduced,
    ),
]
Table = Annotated[int | None, typer.Option("--table", metavar="N", min=1, help="Only the N-th of its tables.")]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", "-m", help="Only lines of this method, as ours or theirs is called; may be repeated."),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check",
        help="Exit code 1 also where a published number lies outside of our interval, or where there is none of ours.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="What it would make, as `plan` says; make nothing.")]


def reproduce(
    context: typer.Context,
    name: Name = None,
    table: Table = None,
    method: Methods = None,
    model: Model = None,
    limit: Limit = None,
    dtype: Dtype = None,
    shard: Shard = "0/1",
    engine: Engine = "local",
    address: Address = None,
    gpus_per_worker: Gpus = None,
    cpus_per_worker: Cpus = None,
    budget: Budget = None,
    batch_size: Batch = 16,
    device: Device = "auto",
    out: Out = Path("results"),
    check: Check = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run what is missing of a paper's tables, and show ours beside what was published, with what differs.

    What is there is not made again. Without weights or prompts it says what to type, and shows dashes for ours.
    """
    from dumo_bench import papers

    if name is None:
        _listed(as_json)
        return
    every = {
        "model": model, "limit": limit, "dtype": dtype, "shard": shard, "engine": engine, "address": address,
        "gpus_per_worker": gpus_per_worker, "cpus_per_worker": cpus_per_worker, "budget": budget,
        "batch_size": batch_size, "device": device, "out": str(out),
    }  # fmt: skip
    said = {key: value for key, value in every.items() if typed(context, key)}
    whole = papers.read(name)
    papers.check(whole)
    found = whole.only(table, method or ()).asked(**said)
    runs = papers.runnable(found)
    for line in runs.lacking:
        log.warning(f"not on this machine: {line}")
    if dry_run:
        _planned(runs.paper, as_json)
        return
    done, error = _carried(runs.paper, as_json)
    grids = papers.beside(found)
    _shown(found, grids, runs, done, as_json)
    failed = any(one.failed for one in done) or (check and not _agrees(grids))
    raise typer.Exit(2 if runs.lacking or error else 1 if failed else 0)


def _agrees(grids: list[Grid]) -> bool:
    """Whether there are numbers of ours, and none differs from the published one beside it."""
    ours = [line for one in grids for line in one.ours]
    if not ours:
        log.error("dumo-bench: --check: no number of ours stands beside a published one")
    return bool(ours) and not any(line.verdict.startswith("differs") for line in ours)


def _listed(as_json: bool) -> None:
    from dumo_bench import papers
    from dumo_bench.cli import output, show

    output.emit("reproduce", {"papers": papers.lines()}) if as_json else show.table(papers.lines())


def _planned(paper: Paper, as_json: bool) -> None:
    """What a run of it would make."""
    from dumo_bench import api
    from dumo_bench.cli import documents, output, planned, show

    found = api.plan(paper) if paper.rows() else []
    if as_json:
        output.emit("plan", documents.planned(found), documents.REASONS)
    elif found:
        planned.planned(found, Path(paper.out))
    else:
        show.echo("nothing of it can be run here")


def _carried(paper: Paper, as_json: bool) -> tuple[list[Done], bool]:
    """What came of every row, and whether they could not even begin."""
    from dumo_bench.api import carry
    from dumo_bench.cli import show

    found: list[Done] = []
    try:
        for done in carry.each(paper) if paper.rows() else ():
            found.append(done)
            if not as_json and not done.error and done.session.spent.get("made"):
                show.echo(str(done.row))
                show.made(done.session)
            if not as_json and not done.error and not done.scored:
                show.waits()
    except UserError as error:
        log.error(f"dumo-bench: {error}")
        return found, True
    return found, False


def _shown(found: Found, grids: list[Grid], runs: Runs, done: list[Done], as_json: bool) -> None:
    from dumo_bench.cli import output, reproduced, show

    if as_json:
        output.emit("reproduce", reproduced.documents(found, grids, runs, done), reproduced.REASONS)
        return
    reproduced.show(found, grids, done)
    if done:
        show.details(Path(found.paper.out))
