"""`report`: the tables of a results folder, shown and written; or one table or figure of a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from dumo_bench.cli import complete
from dumo_bench.cli.options import Control, Folder, Json, folder

_ONE = "One table or figure"
Name: TypeAlias = Annotated[
    str,
    typer.Option(
        "--table",
        help="erasure, nudity, cartoon, artist, multi, robustness, cost, or legend.",
        autocompletion=complete.tables,
        rich_help_panel=_ONE,
    ),
]
Figure: TypeAlias = Annotated[
    str,
    typer.Option(
        "--figure",
        help="tradeoff, scale, training, relearn, pictures, spectrum or map.",
        autocompletion=complete.figures,
        rich_help_panel=_ONE,
    ),
]
Columns: TypeAlias = Annotated[
    str,
    typer.Option(
        "--columns", help="Of the table, with commas between: erased,kept,clip or METRIC@ROLE.", rich_help_panel=_ONE
    ),
]
Cases: TypeAlias = Annotated[
    list[str] | None, typer.Option("--case", "-c", help="Only this case; may be repeated.", rich_help_panel=_ONE)
]
Methods: TypeAlias = Annotated[
    list[str] | None, typer.Option("--method", "-m", help="Only this method; may be repeated.", rich_help_panel=_ONE)
]
PaperName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--paper",
        help="What the table has to fit: article, article-twocolumn, neurips, ieee, cvpr or icml.",
        autocompletion=complete.papers,
        rich_help_panel=_ONE,
    ),
]
Wide: TypeAlias = Annotated[
    bool, typer.Option("--wide", help="Over both columns of a page: table*.", rich_help_panel=_ONE)
]
To: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", help="The file: .tex, .md or .csv; of a figure .pdf, .svg or .png.", rich_help_panel=_ONE
    ),
]


def report(
    out: Annotated[Folder, typer.Argument(parser=folder, help="The results folder; also s3://bucket/name.")] = Path(
        "results"
    ),
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether report.html has small copies of all pictures inside.")
    ] = True,
    control: Control = "",
    table: Name = "",
    figure: Figure = "",
    columns: Columns = "",
    case: Cases = None,
    method: Methods = None,
    paper: PaperName = "article",
    wide: Wide = False,
    to: To = None,
    as_json: Json = False,
) -> None:
    """Show the tables of a results folder, and write report.tex and report.html; or one table or figure alone."""
    from dumo_bench.cli import excerpt
    from dumo_bench.errors import UserError

    chosen = excerpt.Chosen(tuple(case or ()), tuple(method or ()), _names(columns), paper, wide, to)
    if table and figure:
        raise UserError("report: --table and --figure: one of them at a time")
    if table:
        excerpt.table(out, table, chosen, as_json=as_json)
    elif figure:
        excerpt.figure(out, figure, chosen, as_json=as_json)
    elif chosen != excerpt.Chosen():
        raise UserError("report: --columns, --case, --method, --paper, --wide and --out are of one --table or --figure")
    else:
        _whole(out, images=images, control=control, as_json=as_json)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _whole(out: Path, *, images: bool, control: str, as_json: bool) -> None:
    """Every table, shown, and all files."""
    from dumo_bench import report as reports
    from dumo_bench.cli import output, show
    from dumo_bench.run import manifest

    known, found = manifest.suites(out), reports.read(out)
    shown = reports.cases(found, known)
    success = reports.brought_back(found, known, control)
    if not as_json:
        show.report(shown, success)  # before anything is written, which a folder of another may refuse
    written = reports.write(found, known, shown, images=images, success=success)
    if as_json:
        output.emit("report", {"summary": reports.rows(found), "files": output.paths(written)})
    else:
        show.echo("\n".join(f"wrote {path}" for path in written))
    show.gone(out)
