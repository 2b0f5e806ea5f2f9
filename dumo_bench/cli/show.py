"""What the commands print, on stdout, with rich."""

from __future__ import annotations

import logging
import os
import textwrap
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from dumo_bench.cli import fitting
from dumo_bench.progress import log
from dumo_bench.texts import plain

if TYPE_CHECKING:
    from dumo_bench.api.carry import Done
    from dumo_bench.report.attack_rows import Row
    from dumo_bench.report.cells import CaseTables
    from dumo_bench.report.tables import Table as Paper
    from dumo_bench.run.machine import Finding
    from dumo_bench.run.session import Session


class _Console(Console):
    """Texts of whatever origin; a closed pipe is an error like others here, and not the end of the program."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else plain(text), style, control)


def console() -> Console:
    """A fresh one, so that it sees where stdout goes now; a pipe is as wide as COLUMNS says, else 140 characters."""
    found = _Console(highlight=False, emoji=False)
    asked = os.environ.get("COLUMNS", "").isdecimal()
    return found if found.is_terminal or asked else _Console(highlight=False, emoji=False, width=140)


def echo(text: object) -> None:
    """A text of whatever origin on stdout."""
    typer.echo(plain(str(text)))


def wrapped(text: str) -> None:
    """A text in lines that are no wider than stdout."""
    width = console().width
    for line in text.split("\n"):
        echo(textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False) if line else "")


def indented(text: str) -> None:
    """A point of a list: every line of it but the first stands further in."""
    echo(textwrap.fill(text, console().width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False))


def table(lines: Sequence[Mapping[str, str]], dim: Container[int] = ()) -> None:
    """Lines with equal keys as a table without frames; `dim`: the numbers of those that are grey.

    Where stdout is too narrow for it, line by line; no word or number is broken.
    """
    to, heads = console(), list(lines[0] if lines else ("nothing",))
    wide = fitting.widths([[head, *(line[head] for line in lines)] for head in heads], to.width)
    if wide is None:
        echo("\n".join(fitting.records(lines, to.width)))
        return
    found = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for n, (head, width) in enumerate(zip(heads, wide, strict=True)):
        found.add_column(escape(head), style="cyan" if n == 0 else "", width=width)
    for n, line in enumerate(lines):
        found.add_row(*(escape(cell) for cell in line.values()), style="dim" if n in dim else None)
    to.print(found)


def made(session: Session) -> None:
    """What a run made, in a line."""
    spent = session.spent
    failed = f", {len(spent['failed'])} failed" if spent.get("failed") else ""
    console().print(
        f"made {_some(spent.get('edits_made', 0), 'edit')} in {spent.get('fit_seconds', 0):.0f} s "
        f"and {_some(spent.get('made', 0), 'picture')} in {spent.get('generate_seconds', 0):.0f} s{failed}; "
        f"they are in {escape(str(session.out))}"
    )


def _some(n: int, what: str) -> str:
    return f"{n} {what}{'' if n == 1 else 's'}"


def done(one: Done) -> None:
    """What a row of an experiment came to."""
    if one.error:
        return  # it was told
    made(one.session)
    if one.scored:
        summary(one.session)
    else:
        waits()


def waits() -> None:
    """Why there is no number yet."""
    echo("Scoring waits for the other shards: the same command scores once their pictures are in the folder.")


def summary(session: Session) -> None:
    """A verdict a case of what was just run; with -v its tables too."""
    from dumo_bench.report import console as drawn
    from dumo_bench.report import verdicts

    found = verdicts.tables(session.out, session.plan)
    if log.isEnabledFor(logging.DEBUG):
        to = console()
        for thing in drawn.renderables(found, to.width):
            to.print(thing)
    for line in verdicts.of_plan(found, session.plan):
        echo(line)


def details(out: Path) -> None:
    """Where more is said."""
    echo(f"details: -v, or dumo-bench report {out}")


def gone(*folders: Path) -> None:
    """Say on stderr which scorers and which suites of attacks of results folders are no longer there, a line each."""
    from dumo_bench.plugins import presence
    from dumo_bench.run import manifest

    for spec in sorted({spec for out in folders for spec in manifest.scorers(out)}):
        if not presence.there("scorers", spec):
            here = " (looked for from this folder)" if ".py:" in spec and not Path(spec).is_absolute() else ""
            log.warning(f"scorer {spec} is no longer there{here}: its numbers are shown as they were measured")
    for out in folders:
        for spec, why in manifest.lost_attacks(out).items():
            log.warning(
                f"{why}: what {Path(spec).stem} brought back is in no table of attacks; where both its files are "
                "deleted, the same `dumo-bench attack` writes them again"
            )


def report(shown: Sequence[CaseTables], success: Sequence[Row] = ()) -> None:
    """The tables of a results folder; of suites that attacks wrote what they bring back, with -v their tables too."""
    from dumo_bench.report import console as drawn

    to, wordy = console(), log.isEnabledFor(logging.DEBUG) or not success
    for thing in drawn.renderables([case for case in shown if wordy or not case.attacked], to.width):
        to.print(thing)
    for thing in drawn.of_attacks(success, to.width):
        to.print(thing)


def of_paper(found: Paper) -> None:
    """A table of a paper."""
    from dumo_bench.report import console as drawn

    to = console()
    for thing in drawn.of_table(found, to.width):
        to.print(thing)


def findings(found: Iterable[Finding]) -> None:
    """One line each, as soon as it is known."""
    to = console()
    marks = {None: " ", True: "[green]✓[/]", False: "[red]✗[/]"}
    for finding in found:
        said = escape(f"{finding.about:<22} {finding.text}")
        to.print(f"{marks[finding.good]} {said}", soft_wrap=True)
