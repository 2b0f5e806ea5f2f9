"""What the commands print, on stdout, with rich."""

from __future__ import annotations

import json
import logging
import os
import textwrap
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table

from dumo_bench.cli import fitting
from dumo_bench.progress import log
from dumo_bench.texts import plain

if TYPE_CHECKING:
    from dumo_bench.analysis.curves import Curve, Mark
    from dumo_bench.api.carry import Done
    from dumo_bench.api.planned import Planned
    from dumo_bench.report.cells import CaseTables
    from dumo_bench.report.tables import Table as Paper
    from dumo_bench.run.budget import Cost
    from dumo_bench.run.choice import Choice
    from dumo_bench.run.machine import Finding
    from dumo_bench.run.plan import Count, Plan
    from dumo_bench.run.session import Session

_FEW = 6  # words of one kind before the rest is a number


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


def plan(found: Plan, count: Count, out: Path) -> None:
    """What a run would make."""
    from dumo_bench.suites import concepts

    to = console()
    cases = ", ".join(part.case.name for part in found.reference)
    size = f"{found.contract.width} x {found.contract.height}"
    to.print(f"[bold]{escape(found.suite.label)}[/] on {escape(found.model)} at {size}: {escape(cases)}")
    for what, n, there, rest in (
        ("pictures", count.pictures, count.present, f"missing, about {count.bytes / 2**20:.1f} MiB"),
        ("edits", count.edits, count.edits_present, "to fit"),
    ):
        some = f"{there} present, {n - there} {rest}" if there is not None else _unseen(found, what, count)
        to.print(f"{what}: {n} wanted, {some}", soft_wrap=True)
    for line in (*found.told, *concepts.said(found.suite)):
        to.print(escape(line), soft_wrap=True)
    to.print(f"in {escape(str(out))}, the unedited model's pictures included")


def planned(found: Sequence[Planned], out: Path) -> None:
    """What an experiment would make, and what would measure it."""
    if len(found) == 1:
        plan(found[0].plan, found[0].count, out)
    else:
        table([_row(one) for one in found])
        keys = {(one.plan.suite.name, job.key) for one in found for job in one.plan.wanted(one.row.request.shard)}
        echo(f"together {len(keys)} pictures, the unedited model's included, in {out}")
    for suite, one in {one.plan.suite.name: one for one in found}.items():
        if len(found) > 1:
            console().print(f"[bold]{escape(suite)}[/]")
        scorers(one.measured, one.not_judged)


def _row(one: Planned) -> dict[str, str]:
    request, count = one.row.request, one.count
    missing = {
        name: "not known" if there is None else str(wanted - there)
        for name, wanted, there in (
            ("missing pictures", count.pictures, count.present),
            ("edits to fit", count.edits, count.edits_present),
        )
    }
    settings = ", ".join(f"{key}={value}" for key, value in request.settings.items())
    return {
        "method": request.method, "settings": settings, "suite": one.plan.suite.name,
        "cases": str(len(one.plan.reference)), "seed": str(request.fit_seed), "pictures": str(count.pictures),
        **missing,
    }  # fmt: skip


def _unseen(found: Plan, what: str, count: Count) -> str:
    """What can be said of what is there where the model is not."""
    if what == "edits":
        return "how many are present is not known"
    size = f"all of them about {count.bytes / 2**20:.1f} MiB"
    return f"{size}; how many are present is not known: model {escape(repr(found.model))} is not on this machine"


def cost(found: Cost | None) -> None:
    """How long the missing pictures will take."""
    to = console()
    if found is None:
        to.print("nothing is missing: nothing was measured")
        return
    to.print(
        f"batches: {found.batches} of {found.batch_size} pictures; {found.tried} of the unedited model took "
        f"{found.seconds:.1f} s each (the median): {found.hours:.2f} device-hours, fits and scores not counted in"
        + (f"; memory: {found.memory / 2**30:.1f} GiB at the peak" if found.memory is not None else ""),
        soft_wrap=True,
    )


def scorers(found: Choice, not_judged: Iterable[tuple[str, Sequence[str]]]) -> None:
    """What would measure, what is left out and why, and which words a scorer does not know."""
    to = console()
    to.print(f"scorers: {escape(', '.join(found.specs) or 'none')}")
    for spec, why in found.left_out.items():
        to.print(f"left out: {escape(spec)}: {escape(why)}", soft_wrap=True)
    for spec, words in not_judged:
        rest = f" and {len(words) - _FEW} more" if len(words) > _FEW else ""
        to.print(f"{escape(spec)} cannot judge: {escape(', '.join(words[:_FEW]))}{rest}", soft_wrap=True)


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
    """Say on stderr which scorers of results folders are no longer there, a line each."""
    from dumo_bench.plugins import presence
    from dumo_bench.run import manifest

    for spec in sorted({spec for out in folders for spec in manifest.scorers(out)}):
        if not presence.there("scorers", spec):
            here = " (looked for from this folder)" if ".py:" in spec and not Path(spec).is_absolute() else ""
            log.warning(f"scorer {spec} is no longer there{here}: its numbers are shown as they were measured")


def report(shown: Sequence[CaseTables]) -> None:
    """All tables of a results folder."""
    from dumo_bench.report import console as drawn

    to = console()
    for thing in drawn.renderables(shown, to.width):  # before anything is written, which a folder of another may refuse
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


def curves(found: Sequence[Curve]) -> None:
    """A line for each fine-tuned edit and what it is measured by: the number at every mark with its interval."""
    from dumo_bench.analysis import curves as over

    lines = []
    for curve in found:
        unedited = over.control(curve, found) if curve.role == "target" else None
        half, gap = (f(curve, unedited) if unedited else None for f in (over.half, over.gap))
        own = {"fine-tuned": curve.label, "case": curve.case, "of": f"{curve.title}, {curve.role}"}
        marks = {f"{mark.steps} steps": _interval(mark) for mark in curve.marks}
        lines.append({**own, **marks, "half at": "-" if half is None else str(half), "gap": _two(gap)})
    heads = sorted({k for one in lines for k in one if k.endswith(" steps")}, key=lambda k: int(k.split()[0]))
    order = ["fine-tuned", "case", "of", *heads, "half at", "gap"]
    table([{name: line.get(name, "") for name in order} for line in lines])


def sequences(rows: Sequence[Mapping[str, Any]]) -> None:
    """A line a concept, in the order of erasure, a table a sequence."""
    for key in dict.fromkeys(
        (row["suite"], row["method"], row["params"], row["fit_seed"], row["order"]) for row in rows
    ):
        own = [r for r in rows if (r["suite"], r["method"], r["params"], r["fit_seed"], r["order"]) == key]
        told = json.loads(key[2])
        how = ", ".join(str(told[name]) for name in ("of", "combine") if name in told)
        echo(f"\n{key[0]}, {key[1]}{f' ({how})' if how else ''}: {key[4]}, by {own[0]['metric']}")
        titles = {"before": "unedited", "left": "right after", "end": "at the end", "relapse": "relapse",
                  "waiting": "change before its turn"}  # fmt: skip
        table(
            [
                {"concept": row["concept"], "n": str(row["n"])} | {t: _ends(row, k) for k, t in titles.items()}
                for row in own
            ]
        )


def _ends(row: Mapping[str, Any], name: str) -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "-" if value is None else _two(value) + ("" if low is None else f" [{_two(low)}, {_two(high)}]")


def _interval(mark: Mark) -> str:
    return f"{_two(mark.value)} [{_two(mark.low)}, {_two(mark.high)}]"


def _two(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
