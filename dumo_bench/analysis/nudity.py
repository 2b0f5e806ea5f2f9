"""`nudenet`: the same pictures under every counting convention, and over a sweep of thresholds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from dumo_bench.analysis import catalogue, results
from dumo_bench.errors import UserError, unknown
from dumo_bench.scorers.presets import PRESETS, Preset, Tally, counts, sweep, sweep_at, tally
from dumo_bench.storage import table
from dumo_bench.types import Detection


class Group(NamedTuple):
    """Pictures that are counted together: the boxes of each readable one, and how many could not be read.

    prompts: of each readable picture its prompt: those of one prompt resemble one another.
    partial: "64 of 4,703" where the case has more pictures, in all its roles, than were looked at.
    blank: how many of how many readable pictures show nothing at all, where that was measured: no success without it.
    """

    about: str
    found: list[list[Detection]]
    prompts: list[str]
    missing: int
    partial: str = ""
    blank: tuple[int, int] | None = None


class Key(NamedTuple):
    """What makes one group of a results folder: equal keys are counted together."""

    suite: str
    suite_version: int
    case: str
    method: str
    method_version: str
    params: str
    fit_seed: int
    model: str
    sampling: str
    role: str


Place: TypeAlias = tuple[Any, ...]  # prompt, seed and draw
Boxes: TypeAlias = list[Detection] | None  # None: the picture could not be read
_TELLS = {"suite_version": "suite version", "method_version": "version", "fit_seed": "seed", "model": "model",
          "sampling": "contract"}  # fmt: skip


def presets(text: str) -> list[Preset]:
    """Presets by name, with commas between; all of them for an empty text."""
    names = [name.strip() for name in text.split(",") if name.strip()] or list(PRESETS)
    for name in names:
        if name not in PRESETS:
            raise unknown("presets", name, PRESETS)
    return [PRESETS[name] for name in names]


def pictures(out: Path, order: str) -> dict[Key, dict[Place, Boxes]]:
    """What nudenet found earlier in the pictures of a results folder, by group and picture."""
    return _looked(out, order)[0]


def _looked(out: Path, order: str) -> tuple[dict[Key, dict[Place, Boxes]], dict[Key, dict[Place, bool]]]:
    """The boxes of every picture, and whether it is blank where that was measured; by group and picture.

    Each part is read for itself: two parts may hold the same picture, and its boxes must not be counted twice.
    """
    found: dict[Key, dict[Place, Boxes]] = defaultdict(dict)
    flat: dict[Key, dict[Place, bool]] = defaultdict(dict)
    known = catalogue.of_folder(out)
    for scores, boxes in results.parts(out):
        mine = scores[(scores["scorer"] == "nudenet") & known.made_with(scores, "order", order)]
        for key, place, there in _pictures(table.records(mine), table.records(boxes), order):
            found[key][place] = there
        for row in table.records(scores[(scores["scorer"] == "blank") & scores["value"].notna()]):
            flat[key_of(row)][place_of(row)] = bool(row["value"])
    if not found:
        spec = "nudenet" if order == "BGR" else f"nudenet@{order}"
        raise UserError(f"{out} holds no boxes in channel order {order}: score with --scorers {spec} first")
    return found, flat


def stored(out: Path, order: str, whole: Mapping[tuple[str, int], int]) -> list[Group]:
    """The groups of a results folder; `whole`: how many pictures each suite has a method."""
    found, flat = _looked(out, order)
    seen = Counter[Key]()
    for key, of in found.items():
        seen[key._replace(role="")] += len(of)
    return [
        _group(label(key, found), of, seen[key._replace(role="")], whole.get(key[:2]), flat[key])
        for key, of in found.items()
    ]


def _pictures(
    scores: Iterable[Mapping[str, Any]], boxes: Iterable[Mapping[str, Any]], order: str
) -> Iterator[tuple[Key, Place, Boxes]]:
    """The boxes of every picture of a part that nudenet was given."""
    of_picture: dict[str, list[Detection]] = defaultdict(list)
    for box in boxes:
        if box["detector"] == "nudenet" and box["order"] == order:
            cells = {name: box[name] for name in ("label", "score", "x", "y", "w", "h")}
            of_picture[box["key"]].append(Detection(**cells))
    for row in scores:
        there = None if row["value"] is None else of_picture[row["key"]]
        yield key_of(row), place_of(row), there


def key_of(row: Mapping[str, Any]) -> Key:
    """The group of a row of scores."""
    return Key(*(row[name] for name in Key._fields))


def place_of(row: Mapping[str, Any]) -> Place:
    """Its picture within the group."""
    return row["prompt_id"], row["seed"], row["draw"]


def _group(
    about: str, looked: Mapping[Place, Boxes], seen: int, whole: int | None, flat: Mapping[Place, bool]
) -> Group:
    there = [(str(place[0]), boxes) for place, boxes in looked.items() if boxes is not None]
    partial = f"{seen:,} of {whole:,}" if whole and seen < whole else ""
    prompts, found = [prompt for prompt, _ in there], [boxes for _, boxes in there]
    known = [flat[place] for place, boxes in looked.items() if boxes is not None and place in flat]
    return Group(about, found, prompts, len(looked) - len(there), partial, (sum(known), len(known)) if known else None)


def label(key: Key, among: Iterable[Key]) -> str:
    """What a group is of, with what tells it from the method's others on the same prompts."""
    alike = [o for o in among if (o.suite, o.case, o.method, o.role) == (key.suite, key.case, key.method, key.role)]
    parts = [f"{says} {str(getattr(key, name))[:12]}" for name, says in _TELLS.items()
             if len({getattr(other, name) for other in alike}) > 1]  # fmt: skip
    settings = "" if key.params == "{}" else f" {key.params}"
    apart = f" ({', '.join(parts)})" if parts else ""
    return f"{key.suite}, {key.case}, {key.method}{settings}{apart}, {key.role}"


def counted(group: Group, wanted: Sequence[Preset]) -> list[dict[str, Any]]:
    """One row a preset: what it counts, and how much of it there is in a group."""
    rows = []
    for preset in wanted:
        found, ends = tally(group.found, preset), intervals(group, preset)
        about = {"preset": preset.name, "threshold": preset.threshold, "at_least": preset.at_least}
        counted = {"unit": preset.unit, "classes": len(preset.classes), "total": found.total, "images": found.images}
        share = {"total_interval": _summed(ends["total"], found.n), "rate_interval": ends["any"]}
        classes = {label: _summed(ends[label], found.n) for label in found.by_class}
        each = {"by_class": found.by_class, "by_class_interval": classes}
        rest = {"n": found.n, "missing": group.missing, "rate": _rate(found)}
        rows.append({**about, **counted, **share, **rest, **each, "network": preset.network, "note": preset.note})
    return rows


def swept(group: Group) -> list[dict[str, Any]]:
    """The sweep's rows with the rate of pictures at each threshold."""
    rows = []
    for row in sweep(group.found):
        preset = sweep_at(row["threshold"], "image")
        rate = {"rate": _rate(tally(group.found, preset)), "rate_interval": intervals(group, preset)["any"]}
        rows.append({**row, **rate})
    return rows


def intervals(group: Group, preset: Preset) -> dict[str, list[float] | None]:
    """The 95 % intervals of a preset's means over pictures, by the summary's rule; None where there is none."""
    import numpy as np

    from dumo_bench.metrics.intervals import of_mean

    clusters = np.unique(group.prompts, return_inverse=True)[1]
    values: dict[str, list[float]] = defaultdict(list)
    for boxes in group.found:
        for what, n in counts(boxes, preset).items():
            values[what].append(float(n))
    ends: dict[str, list[float] | None] = dict.fromkeys(("total", "any", *preset.classes))
    for what, of in values.items():
        found = of_mean(np.array(of, dtype=np.float64), clusters, yes_no=what == "any")
        if found.low is not None and found.high is not None:
            ends[what] = [found.low, found.high]
    return ends


def _rate(found: Tally) -> float | None:
    return found.images / found.n if found.n else None


def _summed(ends: Sequence[float] | None, n: int) -> list[float] | None:
    return None if ends is None else [n * end for end in ends]


def everything(group: Group, wanted: Sequence[Preset], *, with_sweep: bool) -> dict[str, Any]:
    """All that is said of a group, as plain values."""
    found: dict[str, Any] = {"pictures": group.about, "n": len(group.found), "missing": group.missing}
    found["partial"], found["blank"] = group.partial, group.blank
    return found | {"presets": counted(group, wanted)} | ({"sweep": swept(group)} if with_sweep else {})
