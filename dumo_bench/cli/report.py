"""`report`: the tables of a results folder, shown and written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dumo_bench.cli.options import Folder, Json, folder


def report(
    out: Annotated[Folder, typer.Argument(parser=folder, help="The results folder; also s3://bucket/name.")] = Path(
        "results"
    ),
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether report.html has small copies of all pictures inside.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Show the tables of a results folder; write report.tex and report.html into it."""
    from dumo_bench import report as reports
    from dumo_bench.cli import output, show
    from dumo_bench.run import manifest

    known, found = manifest.suites(out), reports.read(out)
    shown = reports.cases(found, known)
    if not as_json:
        show.report(shown)  # before anything is written, which a folder of another may refuse
    written = reports.write(found, known, shown, images=images)
    if as_json:
        output.emit("report", {"summary": reports.rows(found), "files": output.paths(written)})
    else:
        show.echo("\n".join(f"wrote {path}" for path in written))
    show.gone(out)
