"""`dumo-bench checkpoint` says what a published file holds; `dumo-bench export` writes an edit for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dumo_bench.cli.options import Folder, Json, folder


def checkpoint(
    path: Annotated[list[str], typer.Argument(help="A file, a folder or a hub id (owner/name/file); DuMo: several.")],
    model: Annotated[str, typer.Option("--model", help="What it is compared with.")] = "sd14",
    concept: Annotated[
        list[str] | None, typer.Option("--concept", help="What it erases, for DuMo's gate; may be repeated.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the method `checkpoint`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a published file holds and how it fits a model: format, keys, change of every layer. Makes nothing."""
    from dumo_bench.cli import output, show
    from dumo_bench.formats.match import refuse
    from dumo_bench.hosts import sd
    from dumo_bench.plugins import loading
    from dumo_bench.plugins import settings as setting

    own = {"path": path[0] if len(path) == 1 else tuple(path), **setting.parse(settings or ())}
    method = loading.make("methods", "checkpoint", own)
    erase = tuple(concept or (place.name for place in method.places))
    found = [report for _, report in method.examine(sd.load(model), erase)]
    if as_json:
        output.emit("checkpoint", {"files": [report.everything(model) for report in found]})
    else:
        show.echo("\n\n".join("\n".join(report.lines()) for report in found))
    for report in found:
        refuse(report, model)


def export(
    edit: Annotated[
        Folder,
        typer.Argument(parser=folder, help="An edit (results/edits/<recipe>.safetensors), or results with one."),
    ],
    to: Annotated[Path, typer.Option("--to", help="A new folder.")],
    form: Annotated[
        Literal["unet", "partial", "dumo", "receler", "spm", "lora"],
        typer.Option(
            "--as",
            help="A whole U-Net of diffusers, its changed tensors, a LoRA, or files as DuMo, Receler, SPM have them.",
        ),
    ] = "unet",
    model: Annotated[
        str | None, typer.Option("--model", help="Where the edit's own model lies now. [dim]\\[as when fitted][/]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write an edit as files that diffusers loads; `run --method checkpoint --set path=...` takes them back."""
    from dumo_bench.cli import output, show
    from dumo_bench.formats import export as writing

    lines = writing.export(edit, to, form, model)
    if as_json:
        output.emit("export", {"written": [{"text": str(line)} for line in lines]})
        return
    for line in lines:
        show.echo(line)
