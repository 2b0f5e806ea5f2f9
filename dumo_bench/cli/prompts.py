"""`dumo-bench prompts`: the published prompt lists that suites are made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

app = typer.Typer(
    help="The published prompt lists that suites are made of: fetched by hash, never part of this package.",
    no_args_is_help=True,
)

Sets: TypeAlias = Annotated[list[str] | None, typer.Argument(help="Suites, by name or file. [dim]\\[all][/]")]


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Each list: how many rows, whose licence, from where, and whether it is here or what to type to get it."""
    from dumo_bench.cli import show
    from dumo_bench.suites import lists

    found = lists.listing()
    show.json(found) if as_json else show.table(found)


@app.command()
def fetch(
    names: Sets = None,
    given: Annotated[
        Path | None, typer.Option("--from", help="A file or a folder on this machine, in place of the origin.")
    ] = None,
) -> None:
    """Get the lists of suites into the user's cache; one with another hash or row count is refused."""
    from dumo_bench.cli import show
    from dumo_bench.suites import lists

    for line in lists.fetch(names or (), given):
        show.echo(line)


@app.command()
def verify(names: Sets = None) -> None:
    """Check hash and rows of the lists that are here; exit code 1 if one is not right, or is named and not here."""
    from dumo_bench.cli import show
    from dumo_bench.suites import lists

    lines, good = lists.verify(names or ())
    show.table(lines)
    raise typer.Exit(0 if good else 1)


@app.command()
def show(
    suite: Annotated[str, typer.Argument(help="A name of `list suites` or a .toml file.")],
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many prompts, concepts in proportion.")] = 20,
    explicit: Annotated[bool, typer.Option("--explicit", help="Show the text of explicit prompts too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Prompts of a suite with their seeds and settings; of an explicit one, how long they are."""
    from dumo_bench.cli import show as shown
    from dumo_bench.suites import lists

    found, origin = lists.show(suite, limit, explicit=explicit)
    if as_json:
        shown.json(found)
    else:
        shown.echo("\n".join(origin))
        shown.table(found)
