"""`sequence`: what became of each concept of a sequence of erasures, from the tables of a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dumo_bench.cli.options import Folder, Json, folder


def sequence(
    out: Annotated[Folder, typer.Argument(parser=folder, help="The results folder; also s3://bucket/name.")] = Path(
        "results"
    ),
    metric: Annotated[
        str, typer.Option("--metric", help="Whether what a prompt asks for is recognised.")
    ] = "judge.object",
    as_json: Json = False,
) -> None:
    """Concepts erased one after another: what is left of each, whether it relapsed, what waiting did to it."""
    from dumo_bench.analysis import results, sequences
    from dumo_bench.cli import curves, output
    from dumo_bench.errors import UserError

    scores = results.scores(out)
    found = sequences.rows(sequences.read(scores, metric))
    if not found:
        known = " | ".join(sequences.scored(scores, metric)) or "none"
        raise UserError(
            f"{out} holds no sequence that {metric} measured: wanted cases that add a concept each (emoji-sequence), "
            f"and of each all that it begins with; scored are: {known}. "
            "Where the run was stopped, type its command again"
        )
    if as_json:
        output.emit("sequence", {"concepts": found}, sequences.REASONS)
    else:
        curves.sequences(found)
