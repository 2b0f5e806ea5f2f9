"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import typer

from dumo_bench.cli import complete

DEFAULT_SCORERS = "default"

Method: TypeAlias = Annotated[
    str,
    typer.Option(
        "--method",
        "-m",
        help="A name of `list methods`, package.module:Thing or file.py:Thing.",
        autocompletion=complete.methods,
    ),
]
Suite: TypeAlias = Annotated[
    str,
    typer.Option(
        "--suite",
        "-s",
        help="A name of `list suites`, a .toml file or package.module:Thing.",
        autocompletion=complete.suites,
    ),
]
Cases: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--case", "-c", help="Only this case of the suite; may be repeated.", autocompletion=complete.cases),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A name of `list models`, a diffusers folder or a hub id. [dim]\\[the suite's][/]",
        autocompletion=complete.models,
    ),
]
Settings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A hyperparameter of the method; may be repeated."),
]
Scorers: TypeAlias = Annotated[
    str,
    typer.Option(
        "--scorers",
        help="Names of `list scorers`, with commas between; `default`: those that the suite names.",
        autocompletion=complete.scorers,
    ),
]
Limit: TypeAlias = Annotated[
    int | None, typer.Option("--limit", min=1, help="So many pictures a case: roles and concepts stay in proportion.")
]
Batch: TypeAlias = Annotated[int, typer.Option("--batch-size", min=1, max=1024, help="Pictures sampled at once.")]
Device: TypeAlias = Annotated[Literal["auto", "cpu", "cuda", "mps"], typer.Option("--device", help="Where to compute.")]
Dtype: TypeAlias = Annotated[
    Literal["float32", "float16", "bfloat16"] | None,
    typer.Option("--dtype", help="Precision of the model. [dim]\\[the suite's][/]"),
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Seed of the fit; pictures have the suite's own seeds.")]
Out: TypeAlias = Annotated[Path, typer.Option("--out", "-o", help="The results folder.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Shard: TypeAlias = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts of the pictures, from 0.")
]
