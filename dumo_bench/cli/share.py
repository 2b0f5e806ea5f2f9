"""`push` and `pull`: results folders as data sets of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dumo_bench.cli.options import Json
from dumo_bench.cli.store import Results


def push(
    out: Results,
    repository: Annotated[str, typer.Argument(help="owner/name of a data set; made where it is not there.")],
    pictures: Annotated[
        bool, typer.Option("--pictures", help="Also pictures, of suites that are not explicit.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="A new data set is open to everybody.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the card and what would be sent.")] = False,
    as_json: Json = False,
) -> None:
    """Send the tables of a results folder to the hub, as a data set that `datasets` and DuckDB read."""
    from dumo_bench.cli import output, show
    from dumo_bench.formats import dataset
    from dumo_bench.progress import log
    from dumo_bench.run import manifest
    from dumo_bench.storage import exchange

    found = dataset.shared(out, manifest.harmless(out), pictures=pictures)
    card = dataset.card(out, found.files, repository)
    if found.withheld:
        log.warning(f"{found.withheld} pictures stay here: their suite is explicit, or not known")
    where = "" if dry_run else exchange.push(out, found.files, card, repository, private=not public)
    if as_json:
        sent = [{"path": path.relative_to(out).as_posix(), "bytes": path.stat().st_size} for path in found.files]
        output.emit("push", {"files": sent})
        return
    size = sum(path.stat().st_size for path in found.files) / 1e6
    show.echo(
        f"{card}\n{len(found.files)} files, {size:.1f} MB" if dry_run else f"{len(found.files)} files are in {where}"
    )


def pull(
    repository: Annotated[str, typer.Argument(help="owner/name of a data set that `push` has made.")],
    out: Annotated[Path, typer.Argument(metavar="RESULTS", help="A folder that is empty or not there.")],
    revision: Annotated[str, typer.Option(help="A commit, branch or tag.")] = "",
    as_json: Json = False,
) -> None:
    """Fetch a results folder from the hub: tables to report and compare, and pictures where they were sent."""
    from dumo_bench.cli import output, show
    from dumo_bench.storage import exchange

    found = exchange.pull(repository, out, revision=revision)
    if as_json:
        output.emit("pull", {"files": output.paths(found)})
    else:
        show.echo(f"{len(found)} files are in {out}: `dumo-bench report {out}` shows them")
