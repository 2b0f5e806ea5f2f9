"""`diff`: which settings, pictures and scores differ between two methods, or two results folders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dumo_bench.cli.options import Json, Out

if TYPE_CHECKING:
    from dumo_bench.analysis.diff import Diff

_REASONS = {"a": "not measured", "b": "not measured"}
_FEW = 3  # changes of a metric that are shown


def diff(
    a: Annotated[str, typer.Argument(help="A method of the folder, method:key=value, or a results folder.")],
    b: Annotated[str, typer.Argument(help="Another one.")],
    out: Out = Path("results"),
    as_json: Json = False,
) -> None:
    """Which settings differ, which pictures and scores changed, and what explains it."""
    from dumo_bench.api.differ import differ
    from dumo_bench.cli import output, show

    found = differ(a, b, out)
    if as_json:
        output.emit("diff", _tables(found), _REASONS)
        return
    for name, one in found.items():
        show.echo(f"{name}")
        for title, lines in _shown(one):
            show.echo(f"\n{title}")
            show.table(lines)
        if said := _whole(one):
            show.echo(said)


def _whole(one: Diff) -> str:
    """What a comparison without a change comes to; nothing where there are some."""
    if not any(row.same or row.changed or row.other_file for row in one.pictures):
        return "they share no picture: nothing was compared"
    apart = any(row.only_a or row.only_b for row in one.pictures)
    if one.settings or one.changes or any(row.changed or row.other_file for row in one.pictures):
        return ""
    return (
        "the same settings and scores of the pictures that both have"
        if apart
        else ("the same settings, pictures and scores")
    )


def _tables(found: Mapping[str, Diff]) -> dict[str, list[dict[str, Any]]]:
    tables = ("settings", "pictures", "scores", "changes")
    return {
        table: [{"of": name, **_plain(asdict(row))} for name, one in found.items() for row in getattr(one, table)]
        for table in tables
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {"setting_of" if key == "of" else key: value for key, value in row.items()}


def _shown(one: Diff) -> Iterator[tuple[str, Sequence[Mapping[str, str]]]]:
    """The tables that have a line, each with its title."""
    several = len({case for setting in one.settings for case in setting.cases}) > 1
    if one.settings:
        yield "settings that differ", [
            {"setting": s.name, "of": s.of, "A": s.a, "B": s.b, **({"in": ", ".join(s.cases)} if several else {})}
            for s in one.settings
        ]  # fmt: skip
    yield "pictures", [
        {"case": f"{p.suite}: {p.case}", "same": str(p.same), "changed": str(p.changed),
         "made alike, another file": str(p.other_file), "only A": str(p.only_a), "only B": str(p.only_b),
         "explained by": p.explained}
        for p in one.pictures
    ]  # fmt: skip
    if changed := [s for s in one.scores if s.changed]:
        yield "scores that changed", [
            {"metric": s.metric, "prompts": s.role, "case": f"{s.suite}: {s.case}", "changed": f"{s.changed} of {s.n}",
             "mean A": _number(s.a), "mean B": _number(s.b), "explained by": s.explained}
            for s in changed
        ]  # fmt: skip
    if one.changes:
        yield f"the largest changes, {_FEW} of each metric at most (--json has all)", list(_largest(one))


def _largest(one: Diff) -> Iterator[Mapping[str, str]]:
    shown: dict[str, int] = {}
    for change in one.changes:
        shown[change.metric] = shown.get(change.metric, 0) + 1
        if shown[change.metric] <= _FEW:
            yield {
                "metric": change.metric, "prompt": change.prompt_id, "seed": f"{change.seed}/{change.draw}",
                "prompts": change.role, "A": _number(change.a), "B": _number(change.b),
                "B-A": "" if change.a is None or change.b is None else f"{change.b - change.a:+.2g}",
            }  # fmt: skip


def _number(value: float | None) -> str:
    return "\N{EN DASH}" if value is None else f"{value:.4g}"
