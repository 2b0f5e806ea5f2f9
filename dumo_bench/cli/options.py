"""The options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from dumo_bench.cli import complete
from dumo_bench.errors import UserError

DEFAULT_SCORERS = "default"


def _device(name: str) -> str:
    from dumo_bench.plugins import settings

    try:
        return settings.device(name)
    except UserError as error:
        raise typer.BadParameter(str(error).partition(": ")[2] or str(error)) from error


def folder(typed: str | Path) -> Path:
    """A results folder that was typed, of this machine or in an object store."""
    from dumo_bench.storage import remote

    return remote.place(str(typed))


if TYPE_CHECKING:
    Folder = Path
else:
    Folder = type("path", (), {})  # as help calls it; of what is annotated as a Path earlier typers make one of here
_method = typer.Option(
    "--method",
    "-m",
    help="A name of `list methods`, package.module:Thing or file.py:Thing.",
    autocompletion=complete.methods,
)
_suite = typer.Option(
    "--suite",
    "-s",
    help="A name of `list suites`, a .toml file or package.module:Thing.",
    autocompletion=complete.suites,
)
Method: TypeAlias = Annotated[str, _method]
Suite: TypeAlias = Annotated[str, _suite]
OneMethod: TypeAlias = Annotated[str | None, _method]  # an experiment's file has its own
OneSuite: TypeAlias = Annotated[str | None, _suite]
File: TypeAlias = Annotated[
    Path | None,
    typer.Argument(
        metavar="[EXPERIMENT.toml]",
        show_default=False,
        help="Methods, suites, seeds and scorers in a file, in place of --method and --suite: docs/experiments.md.",
    ),
]
Control: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="The method whose success stands in every row of attacks: a model that never saw the concept.",
    ),
]
DryRun: TypeAlias = Annotated[bool, typer.Option("--dry-run", help="What it would make, as `plan` says; make nothing.")]
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
Device: TypeAlias = Annotated[
    str,
    typer.Option("--device", metavar="auto|cpu|cuda|cuda:N|mps", callback=_device, help="Where to compute."),
]
Engine: TypeAlias = Annotated[
    Literal["local", "ray"], typer.Option("--engine", help="This process, or the workers of a Ray cluster.")
]
Budget: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="As many pictures as one device makes in 2h, 90m, ...: a fair part, measured first.",
    ),
]
Probe: TypeAlias = Annotated[
    bool, typer.Option("--probe", help="Sample three batches, keep none, and say how long all will take.")
]
Address: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="auto|HOST:PORT",
        help="With --engine ray: the cluster. [dim]\\[this machine alone, or RAY_ADDRESS][/]",
    ),
]
Gpus: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker", min=0, help="With --engine ray. [dim]\\[1 where there are GPUs; 0.5: two workers a GPU][/]"
    ),
]
Cpus: TypeAlias = Annotated[
    int | None, typer.Option("--cpus-per-worker", min=1, help="With --engine ray. [dim]\\[1][/]")
]
Log: TypeAlias = Annotated[
    Literal["tensorboard", "wandb", "mlflow"] | None,
    typer.Option("--log", help="Tell losses and numbers to this tracker, too; prompts and pictures stay here."),
]
Dtype: TypeAlias = Annotated[
    Literal["float32", "float16", "bfloat16"] | None,
    typer.Option("--dtype", help="Precision of the model. [dim]\\[the suite's][/]"),
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Seed of the fit; pictures have the suite's own seeds.")]
Out: TypeAlias = Annotated[
    Folder,
    typer.Option("--out", "-o", parser=folder, help="The results folder; also s3://bucket/name."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]
Shard: TypeAlias = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="Only the I-th of N parts of the pictures, from 0.")
]
