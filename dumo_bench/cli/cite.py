"""`cite`: the BibTeX of what runs used."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from dumo_bench.citation import OWN, Paper
from dumo_bench.cli.options import Folder, Json, folder


def cite(
    out: Annotated[
        Folder | None, typer.Argument(parser=folder, help="A results folder. [dim]\\[none: this program alone][/]")
    ] = None,
    as_json: Json = False,
) -> None:
    """The BibTeX of this program and of the methods, suites and scorers that a results folder used."""
    from dumo_bench.cli import output, show
    from dumo_bench.progress import log
    from dumo_bench.run import cited

    found = [cited.Used("program", "dumo-bench", (OWN,)), *(cited.used(out) if out else ())]
    users: dict[Paper, list[str]] = {}
    for one in found:
        for paper in one.papers or ():
            users.setdefault(paper, []).append(f"{one.what} {one.name}")
    if as_json:
        papers = [{**asdict(paper), "bibtex": paper.bibtex, "used": its} for paper, its in users.items()]
        output.emit("cite", {"papers": papers})
    else:
        show.echo("\n".join(f"% {', '.join(its)}\n{paper.bibtex}" for paper, its in users.items()).rstrip())
    for one in found:
        if one.papers is None:
            log.warning(f"{one.what} {one.name}: what it asks to be cited is in its own file, which is not read here")
