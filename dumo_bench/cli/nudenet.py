"""`dumo-bench nudenet`: one set of pictures under every published way of counting its NudeNet boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dumo_bench.cli.options import Folder, Json, folder
from dumo_bench.errors import UserError
from dumo_bench.progress import log

if TYPE_CHECKING:
    from dumo_bench.analysis.agreement import Seen
    from dumo_bench.analysis.nudity import Group
    from dumo_bench.scorers.folder import Found


def nudenet(
    place: Annotated[
        Folder,
        typer.Argument(parser=folder, help="A results folder, whose stored boxes are used, or one of pictures."),
    ],
    presets: Annotated[str, typer.Option("--presets", help="Names, with commas between. [dim]\\[all][/]")] = "",
    classes: Annotated[bool, typer.Option("--classes", help="Also class by class.")] = False,
    sweep: Annotated[bool, typer.Option("--sweep", help="Also over thresholds from 0.2 to 0.8.")] = False,
    agreement: Annotated[
        bool, typer.Option("--agreement", help="Also whether open_nsfw, another detector, says the same.")
    ] = False,
    order: Annotated[
        Literal["BGR", "RGB", "BGR/both-sides", "RGB/both-sides", "BGR/squashed", "RGB/squashed"],
        typer.Option(
            "--order", help="Which colour the network sees first, and how it sees a picture that is not square."
        ),
    ] = "BGR",
    as_json: Json = False,
) -> None:
    """Count the same pictures under every published NudeNet convention: they differ, and this is by how much."""
    from dumo_bench.analysis import agreement as agreeing
    from dumo_bench.analysis import nudity
    from dumo_bench.cli import output, show

    wanted, looked = nudity.presets(presets), groups(place, order)
    found = [nudity.everything(group, wanted, with_sweep=sweep) for group in looked]
    pairs = {one.about: agreeing.rows(one, wanted) for one in (_seen(place, order, looked) if agreement else ())}
    if as_json:
        output.emit("nudenet", _tables(found, pairs, order), _REASONS)
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
    for about, rows in pairs.items():
        show.echo(f"{about}: NudeNet beside open_nsfw, in pictures")
        show.table([_agreed(row) for row in rows])
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
    from dumo_bench.storage import remote

    if not place.is_dir():
        raise UserError(f"{place}: no such folder; give a results folder or a folder of pictures")
    if (place / "tables").is_dir():
        return nudity.stored(place, order, coverage.sizes(manifest.suites(place).values()))
    if remote.far(place):
        raise UserError(f"{place}: no results folder: it has no tables. Copy its pictures to this machine first")
    found = detected(place, order)
    _tell(found)
    blank = (len(found.blank), len(found.boxes))
    return [nudity.Group(str(place), list(found.boxes.values()), list(found.boxes), len(found.unread), blank=blank)]


def _blank(found: Sequence[int] | None) -> str:
    """How many pictures show nothing: a broken model has no nudity either."""
    if found is None:
        return "blank ones not counted (score with --scorers blank)"
    return f"{found[0]} of {found[1]} blank"


def _seen(place: Path, order: str, looked: Sequence[Group]) -> list[Seen]:
    """The pictures that both detectors looked at; those of a folder of pictures are looked at now."""
    from dumo_bench.analysis import agreement
    from dumo_bench.scorers.folder import pornographic

    if (place / "tables").is_dir():
        return agreement.stored(place, order)
    return [agreement.Seen(one.about, one.found, pornographic(one.prompts)) for one in looked]


#: why a number of the JSON is null
_REASONS = {
    "blank": "not counted: score with --scorers blank",
    "rate": "no picture could be read",
    "rate_interval": "the pictures are of one prompt, or there is none",
    "interval": "every picture has the same number, or they are of one prompt",
    "total_interval": "every picture has the same number, or they are of one prompt",
    "agree": "no picture was looked at by both detectors",
    "kappa": "both detectors give every picture the same one verdict: chance alone would agree wholly",
}


def _tables(
    found: Sequence[Mapping[str, Any]], pairs: Mapping[str, Sequence[Mapping[str, Any]]], order: str
) -> dict[str, list[dict[str, Any]]]:
    """The tables of the JSON: every row says of which pictures it is."""
    rest = ("by_class", "by_class_interval")

    def rows(kind: str) -> list[dict[str, Any]]:
        return [{"pictures": group["pictures"], **row} for group in found for row in group.get(kind, ())]

    classes = [
        {"pictures": row["pictures"], "preset": row["preset"], "class": label, "count": n,
         "interval": row["by_class_interval"][label]}
        for row in rows("presets") for label, n in row["by_class"].items()
    ]  # fmt: skip
    return {
        "boxes": [{"network": "nudenet 3.4.2, 320n.onnx", "order": order}],
        "groups": [{k: v for k, v in group.items() if k not in ("presets", "sweep")} for group in found],
        "presets": [{name: value for name, value in row.items() if name not in rest} for row in rows("presets")],
        "classes": classes,
        "sweep": rows("sweep"),
        "agreement": [{"pictures": about, **row} for about, of in pairs.items() for row in of],
    }


def _agreed(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "preset": row["preset"],
        "open_nsfw": f"> {row['threshold']:g}",
        "pictures": str(row["n"]),
        "both": str(row["both"]),
        "NudeNet alone": str(row["nudenet"]),
        "open_nsfw alone": str(row["open_nsfw"]),
        "neither": str(row["neither"]),
        "agree": "-" if row["agree"] is None else f"{row['agree']:.1%}",
        "Cohen's kappa": "-" if row["kappa"] is None else f"{round(row['kappa'], 2) + 0.0:.2f}",
    }


def _tell(found: Found) -> None:
    """On stderr, so that JSON stays JSON: what was not looked at, file by file, and how many pictures are blank."""
    lines = [f"not read: {path}: {why}" for path, why in found.unread.items()]
    lines += [f"skipped, not called a picture: {path}" for path in found.skipped]
    totals = f"{len(found.unread)} pictures not read, {len(found.skipped)} other files skipped"
    lines.append(f"{totals}, {len(found.blank)} of {len(found.boxes)} pictures blank")
    lines += [f"blank: {path}" for path in found.blank]
    for line in lines:
        log.warning(line)


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
