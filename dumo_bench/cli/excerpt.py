"""`report --table` and `report --figure`: one of them, shown or written to a file whose ending says in what format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from dumo_bench.errors import UserError, unknown

LEGEND = "legend"
#: why a number of the JSON is null
_REASONS = {
    "value": "it was not measured, as the note says",
    "low": "it has no interval",
    "high": "it has no interval",
    "q": "a number of one method is no test",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of a results folder is asked for, and in which form."""

    cases: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    paper: str = "article"
    wide: bool = False
    out: Path | None = None


def table(folder: Path, name: str, chosen: Chosen, *, as_json: bool) -> None:
    """A table of a paper, or the legend of all of them."""
    from dumo_bench import report as reports
    from dumo_bench.cli import output, show
    from dumo_bench.report import compose, layout, shapes, sheet
    from dumo_bench.run import manifest

    if name not in (every := [*shapes.SHAPES, LEGEND]):
        raise unknown("tables", name, every)
    if chosen.paper not in layout.PAPERS:
        raise unknown("papers", chosen.paper, layout.PAPERS)
    ending = _ending(chosen.out, (".tex",) if name == LEGEND else (".tex", ".md", ".csv"))
    found, suites = reports.read(folder), manifest.suites(folder)
    if name == LEGEND:
        _put(chosen.out, reports.legend(found, suites), as_json=as_json)
        return
    asked = compose.Asked(name, chosen.columns, chosen.cases, chosen.methods)
    made = reports.composed(found, suites, asked)
    if as_json:
        output.emit("report", {"table": sheet.rows(made)}, _REASONS)
    elif chosen.out is None:
        show.of_paper(made)
        return
    if chosen.out is not None:
        form = layout.form(chosen.paper, wide=chosen.wide)
        _put(chosen.out, reports.rendered(made, ending, form), as_json=as_json)


def _ending(path: Path | None, known: Iterable[str]) -> str:
    if path is not None and path.suffix not in known:
        raise UserError(f"--out {path}: wanted a name that ends in {', '.join(known)}")
    return path.suffix if path else ""


def _put(path: Path | None, text: str, *, as_json: bool) -> None:
    from dumo_bench.cli import show
    from dumo_bench.storage import files
    from dumo_bench.texts import plain

    if path is None:
        show.echo(text)
        return
    files.write_text(path, plain(text))
    if not as_json:
        show.echo(f"wrote {path}")


def figure(folder: Path, name: str, chosen: Chosen, *, as_json: bool) -> None:
    """A figure of a paper, written to a file."""
    from dumo_bench import report as reports
    from dumo_bench.cli import output, show
    from dumo_bench.report import compose
    from dumo_bench.report.plots import drawings, style
    from dumo_bench.run import manifest
    from dumo_bench.storage import files

    if name not in drawings.DRAWINGS:
        raise unknown("figures", name, drawings.DRAWINGS)
    if chosen.out is None:
        raise UserError(f"--figure {name}: where to? --out {name}.pdf")
    ending = _ending(chosen.out, style.ENDINGS)
    found = reports.measured(reports.read(folder), manifest.suites(folder))
    asked = compose.Asked(name, cases=chosen.cases, methods=chosen.methods)
    made = drawings.draw(name, drawings.Given(folder, found, asked))
    path = files.write_bytes(chosen.out, style.content(made, ending))
    if as_json:
        output.emit("report", {"files": output.paths([path])})
    else:
        show.echo(f"wrote {path}")
