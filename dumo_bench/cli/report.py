"""`report`: the tables of a results folder, shown and written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    out: Annotated[Path, typer.Argument(help="The results folder.")] = Path("results"),
) -> None:
    """Show the tables of a results folder; write report.tex and report.html into it."""
    from dumo_bench.cli import show

    show.report(out)
