"""`dumo-bench prompts`: the published prompt lists that suites are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from dumo_bench.cli.options import Json

app = typer.Typer(
    help="The published prompt lists that suites are made of: fetched by hash, never part of this package.",
    no_args_is_help=True,
)

Sets: TypeAlias = Annotated[list[str] | None, typer.Argument(help="Suites, by name or file. [dim]\\[all][/]")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Each list: how many rows, whose licence, from where, and whether it is here or what to type to get it."""
    from dumo_bench.cli import output, show
    from dumo_bench.suites import lists

    found = lists.listing()
    output.emit("prompts list", {"lists": found}) if as_json else show.table(found)


@app.command()
def fetch(
    names: Sets = None,
    given: Annotated[
        Path | None, typer.Option("--from", help="A file or a folder on this machine, in place of the origin.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Get the lists of suites into the user's cache; one with another hash or row count is refused."""
    from dumo_bench.cli import output, show
    from dumo_bench.suites import lists

    lines = lists.fetch(names or (), given)
    if as_json:
        output.emit("prompts fetch", {"done": [{"text": line} for line in lines]})
        return
    for line in lines:
        show.echo(line)


@app.command()
def verify(names: Sets = None, as_json: Json = False) -> None:
    """Check hash and rows of the lists that are here; exit code 1 if one is not right, or is named and not here."""
    from dumo_bench.cli import output, show
    from dumo_bench.suites import lists

    lines, good = lists.verify(names or ())
    output.emit("prompts verify", {"lists": lines}) if as_json else show.table(lines)
    raise typer.Exit(0 if good else 1)


@app.command()
def show(
    suite: Annotated[str, typer.Argument(help="A name of `list suites` or a .toml file.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many prompts, concepts in proportion.")] = 20,
    explicit: Annotated[bool, typer.Option("--explicit", help="Show the text of explicit prompts too.")] = False,
    as_json: Json = False,
) -> None:
    """Prompts of a suite with their seeds and settings; of an explicit one, how long they are."""
    from dumo_bench.cli import output
    from dumo_bench.cli import show as shown
    from dumo_bench.suites import lists

    found, origin = lists.show(suite, limit, explicit=explicit)
    if as_json:
        output.emit("prompts show", {"prompts": found, "origin": [{"text": line} for line in origin]})
    else:
        shown.echo("\n".join(origin))
        shown.table(found)
