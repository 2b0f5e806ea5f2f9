"""`list`: what can be named, and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from dumo_bench.cli.options import Json


def list_(
    what: Annotated[
        Literal["methods", "scorers", "metrics", "weights", "suites", "models", "attacks", "schemas", "papers"],
        typer.Argument(help="What to list."),
    ],
    as_json: Json = False,
) -> None:
    """What can be named: methods, scorers, metrics, weights, suites, models, attacks and papers; files of schemas."""
    from dumo_bench.cli import output, show

    if what == "schemas":
        from dumo_bench.api import schema

        found = schema.lines()
    elif what == "papers":
        from dumo_bench import papers

        found = papers.lines()
    else:
        from dumo_bench.run import inventory

        found = inventory.lines(what)
    output.emit(f"list {what}", {what: found}) if as_json else show.table(found)
