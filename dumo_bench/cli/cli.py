"""The command line. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from dumo_bench import __version__
from dumo_bench.cli import cli_compare, cli_export, cli_nudenet, cli_paper, cli_prompts, cli_selftest
from dumo_bench.errors import UserError

if TYPE_CHECKING:
    from dumo_bench.run.plan import Wish

app = typer.Typer(
    name="dumo-bench",
    help="Does a method really remove a concept from Stable Diffusion, and what else does it break?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

DEFAULT_SCORERS = "concept,clip_score,likeness"

Method: TypeAlias = Annotated[
    str, typer.Option("--method", "-m", help="A name of `list methods`, package.module:Thing or file.py:Thing.")
]
Suite: TypeAlias = Annotated[
    str, typer.Option("--suite", "-s", help="A name of `list suites`, a .toml file or package.module:Thing.")
]
Cases: TypeAlias = Annotated[
    list[str] | None, typer.Option("--case", "-c", help="Only this case of the suite; may be repeated.")
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option("--model", help="A name of `list models`, a diffusers folder or a hub id. [dim]\\[the suite's][/]"),
]
Settings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter of the method; may be repeated."),
]
Scorers: TypeAlias = Annotated[str, typer.Option("--scorers", help="Names of `list scorers`, with commas between.")]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", min=1, help="So many pictures a case: roles and concepts stay in proportion.")
]
Batch: TypeAlias = Annotated[int, typer.Option("--batch-size", min=1, help="Pictures sampled at once.")]
Device: TypeAlias = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option("--device", help="Where to compute.")]
Dtype: TypeAlias = Annotated[
    Literal["float32", "float16", "bfloat16"] | None,
    typer.Option("--dtype", help="Precision of the model. [dim]\\[the suite's][/]"),
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Seed of the fit; pictures have the suite's own seeds.")]
Out: TypeAlias = Annotated[Path, typer.Option("--out", "-o", help="The results folder.")]
Shard: TypeAlias = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts of the pictures, from 0.")
]


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command. A user's mistake is one line and exit code 2, Ctrl-C one line and 130."""
    try:
        app(args=argv, prog_name="dumo-bench")
    except UserError as error:
        sys.stderr.write(f"dumo-bench: {error}\n")
        sys.exit(2)
    except (PermissionError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        sys.stderr.write(f"dumo-bench: {error.filename}: {error.strerror}\n")
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == 130:
            sys.stderr.write("\ndumo-bench: stopped; all that was made is kept: type the same command again to go on\n")
        raise


@app.callback(invoke_without_command=True)
def version_option(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"dumo-bench {__version__}")
        raise typer.Exit


@app.command("list")
def list_(
    what: Annotated[
        Literal["methods", "scorers", "metrics", "weights", "suites", "models"], typer.Argument(help="What to list.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What can be named: methods, scorers with their metrics and weights, suites, models."""
    from dumo_bench.cli import listing, show

    found = listing.lines(what)
    typer.echo(json.dumps(found, indent=1)) if as_json else show.table(found)


@app.command()
def plan(
    method: Method,
    suite: Suite,
    case: Cases = None,
    model: Model = None,
    limit: Limit = None,
    dtype: Dtype = None,
    seed: Seed = 0,
    settings: Settings = None,
    out: Out = Path("results"),
    shard: Shard = "0/1",
) -> None:
    """What a run would make: pictures and edits wanted, present and missing. Makes nothing."""
    from dumo_bench.cli import show
    from dumo_bench.plugins import peek
    from dumo_bench.run import plan as planning
    from dumo_bench.storage.store import Store

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, shard)
    found = planning.make(wish, peek.make)
    show.plan(found, planning.count(found, Store(out), wish.shard), out)


@app.command()
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
) -> None:
    """Learn the edits of a suite's cases; prints their files."""
    from dumo_bench.run import running

    wish = _wish(method, suite, case, model, settings, None, seed, dtype, "0/1")
    for path in running.fit(running.Session(wish, out, device)):
        typer.echo(path)


@app.command()
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
) -> None:
    """Make the pictures of a method, and of the unedited model, that are not there; fits what is not fitted."""
    from dumo_bench.cli import show
    from dumo_bench.run import running

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, shard)
    session = running.Session(wish, out, device, batch_size)
    failed = running.generate(session)
    show.made(session)
    raise typer.Exit(1 if failed else 0)


@app.command()
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
) -> None:
    """Score the pictures that are there, of a method and of the unedited model, and summarise."""
    from dumo_bench.cli import show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import running

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, "0/1")
    session = running.Session(wish, out)
    running.check(listing(scorers))
    running.score(session, listing(scorers))
    show.summary(session)


@app.command()
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
) -> None:
    """fit + generate + score + summary, for every case of a suite; what is there is not made again."""
    from dumo_bench.cli import show
    from dumo_bench.plugins.settings import listing
    from dumo_bench.run import running

    wish = _wish(method, suite, case, model, settings, limit, seed, dtype, shard)
    session = running.Session(wish, out, device, batch_size)
    scored = running.run(session, listing(scorers))
    show.made(session)
    if scored:
        show.summary(session)
    else:
        typer.echo("Scoring waits for the other shards: the same command scores once their pictures are in the folder.")
    raise typer.Exit(1 if session.spent.get("failed") else 0)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="The results folder.")] = Path("results"),
) -> None:
    """Show the tables of a results folder; write report.tex and report.html into it."""
    from dumo_bench.cli import show

    show.report(out)


@app.command()
def doctor(out: Out = Path("results")) -> None:
    """What this machine can do, and what to type to get what is missing."""
    from dumo_bench.cli import doctor as medicine
    from dumo_bench.cli import show
    from dumo_bench.run import running

    running.quiet_loading()
    show.findings(medicine.examine(out))


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


app.command()(cli_nudenet.nudenet)
app.command()(cli_compare.compare)
app.command("paper-diff")(cli_paper.paper_diff)
app.command()(cli_selftest.selftest)
app.add_typer(cli_prompts.app, name="prompts")
app.command()(cli_export.checkpoint)
app.command()(cli_export.export)
