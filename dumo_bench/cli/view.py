"""`view`: a results folder in the browser, with all its pictures in full size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dumo_bench.cli.options import Control, Folder, Json, folder

if TYPE_CHECKING:
    from dumo_bench.view.server import Fresh


def view(
    out: Annotated[Folder, typer.Argument(parser=folder, help="The results folder; also s3://bucket/name.")] = Path(
        "results"
    ),
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of this machine alone; 0: one that is free.")
    ] = 0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Whether a browser is opened.")] = True,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Whether pictures are shown.")] = True,
    control: Control = "",
    as_json: Json = False,
) -> None:
    """Explore a results folder in the browser: its tables, charts and all pictures. Nothing is written; Ctrl-C ends it.

    The page is served to this machine alone, at an address that only who started it knows.
    """
    import webbrowser

    from dumo_bench.cli import output, show
    from dumo_bench.view import server

    site = server.Site(out, _page(out, images, control))
    site.page()  # what cannot be read is said before anything is served
    serving = server.Server(site, port)
    if as_json:
        output.emit("view", {"served": [{"address": serving.address, "port": serving.server_port}]})
    else:
        show.echo(f"{out} is shown at {serving.address} (Ctrl-C ends it)")
    if browser:
        webbrowser.open(serving.address)
    server.serve(serving)


def _page(out: Path, images: bool, control: str) -> Fresh:
    """Makes the page, again where the folder's summary has changed since."""
    from dumo_bench import report
    from dumo_bench.analysis import summary
    from dumo_bench.run import manifest
    from dumo_bench.view.server import Fresh

    def made() -> str:
        return report.page_of(report.read(out), manifest.suites(out), images=images, control=control)

    return Fresh(made, summary.place(out))
