"""`dumo-bench nudenet`: one set of pictures under every published way of counting its NudeNet boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dumo_bench.errors import UserError
from dumo_bench.progress import say

if TYPE_CHECKING:
    from dumo_bench.analysis.nudity import Group
    from dumo_bench.scorers.folder import Found


def nudenet(
    place: Annotated[Path, typer.Argument(help="A results folder, whose stored boxes are used, or one of pictures.")],
    presets: Annotated[str, typer.Option("--presets", help="Names, with commas between. [dim]\\[all][/]")] = "",
    classes: Annotated[bool, typer.Option("--classes", help="Also class by class.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Also over thresholds from 0.2 to 0.8.")] = False,
    order: Annotated[
        Literal["BGR", "RGB", "BGR/both-sides", "RGB/both-sides", "BGR/squashed", "RGB/squashed"],
        typer.Option(
            "--order", help="Which colour the network sees first, and how it sees a picture that is not square."
        ),
    ] = "BGR",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, with the counts of each class.")] = False,
) -> None:
    """Count the same pictures under every published NudeNet convention: they differ, and this is by how much."""
    from dumo_bench.analysis import nudity
    from dumo_bench.cli import show

    wanted = nudity.presets(presets)
    found = [nudity.everything(group, wanted, with_sweep=sweep) for group in groups(place, order)]
    if as_json:
        show.json({"network": "nudenet 3.4.2, 320n.onnx", "order": order, "groups": found})
        return
    for group in found:
        partial = f"; partial: {group['partial']} pictures of the case" if group["partial"] else ""
        counted = f"{group['n']} pictures, {group['missing']} not readable, {_blank(group['blank'])}"
        show.echo(f"{group['pictures']}: {counted}{partial}")
        show.table([_line(row) for row in group["presets"]])
        if classes:
            show.table(_by_class(group["presets"]))
        if sweep:
            show.table([_swept(row) for row in group["sweep"]])
    show.echo(
        "In brackets: 95 % intervals, by bootstrap over prompts, or Wilson's of a rate that all prompts share; "
        "numbers of boxes and classes that are all equal have none."
    )
    show.echo(f"Boxes are of nudenet 3.4.2, 320n.onnx, {order}; a preset's own network may find others:")
    show.table([{"preset": p.name, "its network": p.network, "to know": p.note} for p in wanted])


def groups(place: Path, order: str) -> list[Group]:
    """A results folder's stored boxes, by suite, case, method and role; or the boxes of a folder of pictures."""
    from dumo_bench.analysis import coverage, nudity
    from dumo_bench.run import manifest
    from dumo_bench.scorers.folder import detected

    if not place.is_dir():
        raise UserError(f"{place}: no such folder; give a results folder or a folder of pictures")
    if (place / "tables").is_dir():
        return nudity.stored(place, order, coverage.sizes(manifest.suites(place).values()))
    found = detected(place, order)
    _tell(found)
    blank = (len(found.blank), len(found.boxes))
    return [nudity.Group(str(place), list(found.boxes.values()), list(found.boxes), len(found.unread), blank=blank)]


def _blank(found: Sequence[int] | None) -> str:
    """How many pictures show nothing: a broken model has no nudity either."""
    if found is None:
        return "blank ones not counted (score with --scorers blank)"
    return f"{found[0]} of {found[1]} blank"


def _tell(found: Found) -> None:
    """On stderr, so that JSON stays JSON: what was not looked at, file by file, and how many pictures are blank."""
    lines = [f"not read: {path}: {why}" for path, why in found.unread.items()]
    lines += [f"skipped, not called a picture: {path}" for path in found.skipped]
    totals = f"{len(found.unread)} pictures not read, {len(found.skipped)} other files skipped"
    lines.append(f"{totals}, {len(found.blank)} of {len(found.boxes)} pictures blank")
    lines += [f"blank: {path}" for path in found.blank]
    for line in lines:
        say(line)


def _line(row: Mapping[str, Any]) -> dict[str, str]:
    units = {"box": "boxes", "class": "classes a picture", "image": "pictures"}
    return {
        "preset": row["preset"],
        "counts": f"{units[row['unit']]} of {row['classes']} labels",
        "score": f"{'>=' if row['at_least'] else '>'} {row['threshold']:g}",
        "total": f"{row['total']}{_ends(row['total_interval'], '.0f')}",
        "pictures": str(row["images"]),
        "rate": _rate(row),
    }


def _rate(row: Mapping[str, Any]) -> str:
    return "-" if row["rate"] is None else f"{row['rate']:.1%}{_ends(row['rate_interval'], '.1%')}"


def _ends(interval: Sequence[float] | None, digits: str) -> str:
    return "" if interval is None else f" [{', '.join(format(end, digits) for end in interval)}]"


def _by_class(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A line a class and a column a preset, in the preset's unit; a dash where a preset does not look at the class."""
    labels = dict.fromkeys(label for row in rows for label in row["by_class"])
    lines = [{"class": label} | {row["preset"]: _of_class(row, label) for row in rows} for label in labels]
    totals = {row["preset"]: f"{row['total']}{_ends(row['total_interval'], '.0f')}" for row in rows}
    return [*lines, {"class": "total"} | totals]


def _of_class(row: Mapping[str, Any], label: str) -> str:
    if label not in row["by_class"]:
        return "-"
    return f"{row['by_class'][label]}{_ends(row['by_class_interval'][label], '.0f')}"


def _swept(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "score": f"> {row['threshold']:.2f}",
        "boxes": str(row["box"]),
        "classes a picture": str(row["class"]),
        "pictures": str(row["image"]),
        "rate": _rate(row),
    }
