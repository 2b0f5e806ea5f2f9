"""The program: its commands, and how mistakes are said. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated

import typer

from dumo_bench import __version__, progress
from dumo_bench.cli import (
    attack,
    checkpoint,
    cite,
    compare,
    diff,
    doctor,
    edge,
    nudenet,
    paper,
    prompts,
    relearn,
    report,
    reproduce,
    run,
    selftest,
    sequence,
    share,
    store,
    view,
)
from dumo_bench.cli.list import list_
from dumo_bench.progress import log
from dumo_bench.storage import hub

app = typer.Typer(
    name="dumo-bench",
    help="Does a method really remove a concept from Stable Diffusion, and what else does it break?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run a command. A user's or the machine's fault is one line and exit code 2, Ctrl-C one line and 130.

    A traceback is a bug of this program, or of a plugin.
    """
    edge.speakable()
    progress.listen(logging.INFO)
    hub.close()
    try:
        code = app(args=argv, prog_name="dumo-bench", standalone_mode=False)
    except Exception as error:
        if (said := edge.fault(error)) is None:
            raise
        if said:
            log.error("dumo-bench: %s", said)
        edge.end(2)
    except SystemExit as stop:
        edge.end(stop.code)
    if code == 130:
        log.error("")  # behind ^C
        log.error("dumo-bench: stopped; all that was made is kept: type the same command again to go on")
    edge.end(code or 0)


@app.callback(invoke_without_command=True)
def every_command(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
    verbose: edge.Verbose = False,
    quiet: edge.Quiet = False,
) -> None:
    edge.loudness(verbose, quiet)
    if version:
        typer.echo(f"dumo-bench {__version__}")
        raise typer.Exit


app.command("list")(list_)
for command in (run.plan, run.fit, run.generate, run.score, run.run, report.report, view.view, doctor.doctor):
    app.command()(command)
app.command()(nudenet.nudenet)
app.command()(attack.attack)
app.command()(relearn.relearn)
app.command()(sequence.sequence)
app.command()(compare.compare)
app.command()(diff.diff)
app.command()(cite.cite)
app.command()(share.push)
app.command()(share.pull)
app.command("paper-diff")(paper.paper_diff)
app.command()(reproduce.reproduce)
app.command()(selftest.selftest)
app.add_typer(prompts.app, name="prompts")
app.add_typer(store.app, name="store")
app.command()(checkpoint.checkpoint)
app.command()(checkpoint.export)
for one in (*app.registered_commands, *prompts.app.registered_commands, *store.app.registered_commands):
    assert one.callback is not None
    one.callback = edge.guarded(one.callback)
