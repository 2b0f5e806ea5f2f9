"""`dumo-bench store`: what lies in a results folder, whether it is whole, what can go, and as other tools read it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from dumo_bench.cli import run
from dumo_bench.cli.options import Cases, Folder, Json, Limit, Model, Suite
from dumo_bench.errors import UserError

if TYPE_CHECKING:
    from dumo_bench.run.plan import Request

app = typer.Typer(
    help="A results folder: what lies in it, whether it is whole, what can go; its pictures for other tools.",
    no_args_is_help=True,
)


def _here(typed: str | Path) -> Path:
    if "://" in str(typed):
        raise UserError(f"{typed}: these commands look at folders of this machine: copy it, as by `aws s3 sync`, first")
    return Path(typed)


Results: TypeAlias = Annotated[
    Folder, typer.Argument(metavar="RESULTS", parser=_here, help="The results folder, of this machine.")
]
As: TypeAlias = Annotated[
    Literal["rows", "spm", "unlearncanvas", "texts"],
    typer.Option("--as", help="{case}_{n}.png and a CSV; SPM's meta.json; UnlearnCanvas's names; images/ + texts/."),
]
_FEW = 20  # files before the rest is a number
#: why a cell of the JSON is null
_REASONS = {
    "suite": "files of this kind are of no suite, or it is not known",
    "method": "files of this kind are of no method, or it is not known",
}


@app.command()
def stats(out: Results = Path("results"), as_json: Json = False) -> None:
    """Pictures, edits, tables and all else: how many files and bytes, by suite and method where they are known."""
    from dumo_bench.cli import output, show
    from dumo_bench.storage import statistics

    found = statistics.lines(out)
    rows = [line._asdict() | {"suite": line.suite or None, "method": line.method or None} for line in found]
    if as_json:
        output.emit("store stats", {"files": rows}, _REASONS)
        return
    total = statistics.Line("all", "", "", sum(line.files for line in found), sum(line.bytes for line in found))
    show.table([line._asdict() | {"files": str(line.files), "bytes": _size(line.bytes)} for line in (*found, total)])


@app.command()
def verify(out: Results = Path("results"), as_json: Json = False) -> None:
    """Look at every file: is it as it was made? Prints what is broken and what to type; then the exit code is 1."""
    from dumo_bench.cli import output, show
    from dumo_bench.storage import verify as verifying

    _there(out)
    found = verifying.verify(out)
    broken = [one._asdict() | {"path": str(one.path)} for one in found.broken]
    if as_json:
        bad = [one.kind for one in found.broken]
        counts = [{"kind": kind, "files": n, "broken": bad.count(kind)} for kind, n in found.counts.items()]
        output.emit("store verify", {"checked": counts, "broken": broken})
    else:
        for one in found.broken:
            show.echo(f"{one.kind} {one.path}: {one.why}\n    {one.type}")
        counted = ", ".join(f"{n} x {kind}" for kind, n in found.counts.items())
        show.echo(f"{len(broken)} broken of {counted}")
        if found.unknown:
            show.echo(f"{found.unknown} pictures have no checksum: that they can be read is all that is known of them")
    raise typer.Exit(1 if broken else 0)


@app.command()
def merge(
    folders: Annotated[
        list[Folder],
        typer.Argument(
            metavar="RESULTS...", parser=_here, help="Results folders; what a later one measured anew counts."
        ),
    ],
    to: Annotated[Folder, typer.Option("--to", parser=_here, help="A new results folder.")],
    as_json: Json = False,
) -> None:
    """Bring the tables of several results folders into one, so that one report shows them all."""
    from dumo_bench.analysis import summary
    from dumo_bench.cli import output, show
    from dumo_bench.formats.export import staged
    from dumo_bench.progress import log
    from dumo_bench.run import manifest
    from dumo_bench.storage import merge as merging

    with staged(to) as place:
        found = merging.merge(folders, place)
        summary.write(place, manifest.suites(place).values())
    if found.differ:
        log.warning(f"{found.differ} of {found.twice} numbers that two folders have differ: the later folder's counts")
    for one in found.edits:
        log.warning(f"{one}: pictures of several edits of one recipe stand together, as of two machines that fitted it")
    if as_json:
        output.emit("store merge", {"merged": [found._asdict()]})
    else:
        show.echo(f"{found.files} files are in {to}: `dumo-bench report {to}` shows them")


@app.command()
def gc(
    out: Results = Path("results"),
    delete: Annotated[bool, typer.Option("--delete", help="Delete it; without this it is only listed.")] = False,
    older: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Leave alone what is younger: 90m, 24h.")
    ] = "24h",
    as_json: Json = False,
) -> None:
    """What no run and no table refers to, and what was left half written: list it, or delete it."""
    from dumo_bench.cli import output, show
    from dumo_bench.plugins.settings import duration
    from dumo_bench.storage import garbage

    _there(out)
    found = garbage.collect(out, delete=delete, older=duration(older, "--older-than"))
    rows = [piece._asdict() | {"path": str(piece.path), "deleted": delete} for piece in found.pieces]
    if as_json:
        kept = [{"path": str(path), "why": garbage.UNNOTED} for path in found.unnoted]
        output.emit("store gc", {"pieces": rows, "kept_for": kept})
        return
    for piece in found.pieces[:_FEW]:
        show.echo(f"{piece.kind} {piece.path}: {_size(piece.bytes)}, {piece.why}")
    if more := found.pieces[_FEW:]:
        show.echo(f"and {len(more)} more, which --json lists")
    if found.unnoted:
        others = f" (and {len(found.unnoted) - 1} more)" if len(found.unnoted) > 1 else ""
        show.echo(f"all pictures, edits and starting points stay: {found.unnoted[0]}{others}: {garbage.UNNOTED}")
    what = f"{len(rows)} files and folders, {_size(sum(piece.bytes for piece in found.pieces))}"
    show.echo(f"deleted {what}" if delete else f"{what}: nothing was deleted: --delete does it")


def _allowed(
    partial: Annotated[bool, typer.Option("--partial", help="Also where pictures are missing.")] = False,
    explicit: Annotated[bool, typer.Option("--explicit", help="Pictures and texts of explicit suites too.")] = False,
) -> Any:
    from dumo_bench.run.layouts import Allowed

    return Allowed(explicit, partial)


@app.command()
@run.given("request", run.request, "shard")
@run.given("allowed", _allowed)
def export(
    out: Results,
    request: Any,
    allowed: Any,
    *,
    to: Annotated[Folder, typer.Option("--to", parser=_here, help="A new folder.")],
    layout: As = "rows",
    as_json: Json = False,
) -> None:
    """Copy the pictures of a method into a new folder, laid out and called as another tool reads them."""
    from dumo_bench.cli import output, show
    from dumo_bench.formats.export import staged
    from dumo_bench.plugins import static
    from dumo_bench.run import layouts, plan
    from dumo_bench.storage.store import Store

    found = plan.make(request, static.make)
    with staged(to) as folder:
        lines = layouts.write(found, Store(out), layout, folder, to.absolute(), allowed)
    if as_json:
        output.emit("store export", {"written": [{"text": line} for line in lines]})
    else:
        show.echo("\n".join(lines))


def _elsewhere(
    suite: Suite,
    made_by: Annotated[
        str, typer.Option("--made-by", help="What made them, as tables shall call it; original: the unedited model.")
    ],
    case: Cases = None,
    limit: Limit = None,
    model: Model = None,
) -> Any:
    if not made_by.strip() or not made_by.isprintable():
        raise UserError(f"--made-by: wanted a name for what made the pictures, got {made_by!r}")
    return run.request("pictures", suite, case, model, limit, settings=[f"made_by={made_by}"])


@app.command("import")
@run.given("request", _elsewhere)
def import_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The pictures, or a folder of them a case.")],
    request: Any,
    *,
    to: Annotated[Folder, typer.Option("--to", parser=_here, help="A results folder.")] = Path("results"),
    layout: As = "rows",
    partial: Annotated[bool, typer.Option("--partial", help="Also where pictures are missing.")] = False,
    as_json: Json = False,
) -> None:
    """Take pictures that another program made for a suite, to be scored as any method's; prints what to type next.

    Their file names say which prompt and seed each is of. How they were sampled is taken from the suite.
    """
    from dumo_bench.cli import output, show
    from dumo_bench.plugins import static
    from dumo_bench.run import importing, plan

    found = plan.make(request, static.make)
    lines = importing.bring(request, found, to, layout, folder, partial=partial)
    if as_json:
        output.emit("store import", {"read": [{"text": line} for line in lines]})
        return
    show.echo("\n".join(lines))
    show.echo(shlex.join(["dumo-bench", "score", *_again(request), "-o", str(to)]))


def _again(request: Request) -> Iterator[str]:
    """The request, as it is typed."""
    yield from ("-m", request.method)
    for name, value in request.settings.items():
        yield from ("--set", f"{name}={value}")
    yield from ("-s", request.suite)
    for case in request.cases:
        yield from ("--case", case)
    for option, value in (("--limit", request.limit), ("--model", request.model)):
        if value:
            yield from (option, str(value))


def _there(out: Path) -> None:
    if not out.is_dir():
        raise UserError(f"{out}: no such folder: wanted a results folder")


def _size(n: int) -> str:
    return f"{n / 2**20:.1f} MiB" if n >= 2**20 else f"{n / 2**10:.1f} KiB" if n >= 2**10 else f"{n} B"
