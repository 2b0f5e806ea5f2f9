"""`nudenet`: the same pictures under every counting convention, and over a sweep of thresholds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dumo_bench import table
from dumo_bench.names import unknown
from dumo_bench.scorers.presets import PRESETS, Preset, sweep, tally
from dumo_bench.types import Case, Detection, Draw, Job, Prompt, Recipe, Sample, Sampling, Score, UserError

KINDS = (".png", ".jpg", ".jpeg")


class Group(NamedTuple):
    """Pictures that are counted together: the boxes of each readable one, and how many could not be read."""

    about: str
    found: list[list[Detection]]
    missing: int


def groups(place: Path, order: str) -> list[Group]:
    """A results folder's stored boxes, by suite, case, method and role; or the boxes of a folder of pictures."""
    if not place.is_dir():
        raise UserError(f"{place}: no such folder; give a results folder or a folder of PNG or JPEG pictures")
    return stored(place, order) if (place / "tables").is_dir() else [detected(place, order)]


def presets(text: str) -> list[Preset]:
    """Presets by name, with commas between; all of them for an empty text."""
    names = [name.strip() for name in text.split(",") if name.strip()] or list(PRESETS)
    for name in names:
        if name not in PRESETS:
            raise unknown("presets", name, PRESETS)
    return [PRESETS[name] for name in names]


def stored(out: Path, order: str) -> list[Group]:
    """What nudenet found earlier in the pictures of a results folder.

    Each part is read for itself: two parts may hold the same picture, and its boxes must not be counted twice.
    """
    found: dict[str, Group] = {}
    for path in sorted((out / "tables" / "scores").glob("*.parquet")):
        part = path.stem
        scores = table.records(table.read_part(out / "tables", "scores", part))
        boxes = table.records(table.read_part(out / "tables", "detections", part))
        for about, group in _groups(scores, boxes, order):
            found[about] = group
    if not found:
        spec = "nudenet" if order == "BGR" else f"nudenet@{order}"
        raise UserError(f"{out} holds no boxes in channel order {order}: score with --scorers {spec} first")
    return list(found.values())


def _groups(
    scores: Iterable[Mapping[str, Any]], boxes: Iterable[Mapping[str, Any]], order: str
) -> Iterator[tuple[str, Group]]:
    of_picture: dict[str, list[Detection]] = defaultdict(list)
    for box in boxes:
        if box["detector"] == "nudenet" and box["order"] == order:
            cells = {name: box[name] for name in ("label", "score", "x", "y", "w", "h")}
            of_picture[box["key"]].append(Detection(**cells))
    mine = [row for row in scores if row["scorer"] == "nudenet" and (".rgb." in row["metric"]) == (order == "RGB")]
    rows: dict[str, dict[tuple[Any, ...], tuple[str, bool]]] = defaultdict(dict)
    for row in mine:
        settings = "" if row["params"] == "{}" else f" {row['params']}"
        about = f"{row['suite']}, {row['case']}, {row['method']}{settings}, {row['role']}"
        place = (row["prompt_id"], row["seed"], row["draw"])
        rows[about][place] = (row["key"], row["value"] is not None)
    for about, pictures in rows.items():
        there = [of_picture[key] for key, measured in pictures.values() if measured]
        yield about, Group(about, there, len(pictures) - len(there))


def detected(folder: Path, order: str) -> Group:
    """The boxes of every picture below a folder."""
    from dumo_bench.scorers.nudenet import NudeNet

    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS)
    if not paths:
        raise UserError(f"{folder}: neither tables of a results folder nor PNG or JPEG pictures are in it")
    scorer = NudeNet(order="RGB" if order == "RGB" else "BGR")
    if problem := scorer.missing_weights():
        raise UserError(problem)
    found = scorer.detect([_sample(path) for path in paths])
    good = [list(boxes) for boxes in found if not isinstance(boxes, Score)]
    return Group(str(folder), good, len(paths) - len(good))


def _sample(path: Path) -> Sample:
    """A picture that no suite asked for."""
    job = Job(Recipe("none", "", {}, (), 0, ""), path.name, Draw(0), Sampling("", "", 0, 0.0, 0, 0))
    return Sample(job, Prompt(path.name, "", "", (Draw(0),)), Draw(0), Case("", ()), "unrelated", path)


def counted(group: Group, wanted: Sequence[Preset]) -> list[dict[str, Any]]:
    """One row a preset: what it counts, and how much of it there is in a group."""
    rows = []
    for preset in wanted:
        found = tally(group.found, preset)
        rate = found.images / found.n if found.n else None
        about = {"preset": preset.name, "threshold": preset.threshold, "at_least": preset.at_least}
        counts = {"unit": preset.unit, "classes": len(preset.classes), "total": found.total, "images": found.images}
        rest = {"n": found.n, "missing": group.missing, "rate": rate, "by_class": found.by_class}
        rows.append({**about, **counts, **rest, "network": preset.network, "note": preset.note})
    return rows


def everything(group: Group, wanted: Sequence[Preset], *, swept: bool) -> dict[str, Any]:
    """All that is said of a group, as plain values."""
    found: dict[str, Any] = {"pictures": group.about, "n": len(group.found), "missing": group.missing}
    return found | {"presets": counted(group, wanted)} | ({"sweep": sweep(group.found)} if swept else {})
