"""`list`: what can be named, and where it comes from."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def list_(
    what: Annotated[
        Literal["methods", "scorers", "metrics", "weights", "suites", "models"], typer.Argument(help="What to list.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What can be named: methods, scorers with their metrics and weights, suites, models."""
    from dumo_bench.cli import show
    from dumo_bench.run import inventory

    found = inventory.lines(what)
    show.json(found) if as_json else show.table(found)
