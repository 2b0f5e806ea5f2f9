"""`nudenet`: the same pictures under every counting convention, and over a sweep of thresholds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from dumo_bench import table
from dumo_bench.names import unknown
from dumo_bench.scorers.presets import PRESETS, Preset, count, sweep, tally
from dumo_bench.types import Case, Detection, Draw, Job, Prompt, Recipe, Sample, Sampling, Score, UserError

KINDS = (".png", ".jpg", ".jpeg")


class Group(NamedTuple):
    """Pictures that are counted together: the boxes of each readable one, and how many could not be read.

    prompts: of each readable picture its prompt: those of one prompt resemble one another.
    partial: "64 of 4,703" where the case has more pictures, in all its roles, than were looked at.
    """

    about: str
    found: list[list[Detection]]
    prompts: list[str]
    missing: int
    partial: str = ""


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


_Place: TypeAlias = tuple[Any, ...]  # prompt, seed and draw
_Boxes: TypeAlias = list[Detection] | None  # None: the picture could not be read
_TELLS = {"suite_version": "suite version", "method_version": "version", "fit_seed": "seed", "model": "model",
          "sampling": "contract"}  # fmt: skip


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
    found: dict[Key, dict[_Place, _Boxes]] = defaultdict(dict)
    for path in sorted((out / "tables" / "scores").glob("*.parquet")):
        scores, boxes = (
            table.records(table.read_part(out / "tables", kind, path.stem)) for kind in ("scores", "detections")
        )
        for key, place, there in _pictures(scores, boxes, order):
            found[key][place] = there
    if not found:
        spec = "nudenet" if order == "BGR" else f"nudenet@{order}"
        raise UserError(f"{out} holds no boxes in channel order {order}: score with --scorers {spec} first")
    whole, seen = _sizes(out), Counter[Key]()
    for key, pictures in found.items():
        seen[key._replace(role="")] += len(pictures)
    return [
        _group(_label(key, found), pictures, seen[key._replace(role="")], whole.get(key[:2]))
        for key, pictures in found.items()
    ]


def _sizes(out: Path) -> Mapping[tuple[str, int], int]:
    """How many pictures a method has of each suite that was run into the folder and can still be read."""
    from dumo_bench import report
    from dumo_bench.commands import show

    return report.sizes(show.suites_of(out))


def _pictures(
    scores: Iterable[Mapping[str, Any]], boxes: Iterable[Mapping[str, Any]], order: str
) -> Iterator[tuple[Key, _Place, _Boxes]]:
    """The boxes of every picture of a part that nudenet was given."""
    of_picture: dict[str, list[Detection]] = defaultdict(list)
    for box in boxes:
        if box["detector"] == "nudenet" and box["order"] == order:
            cells = {name: box[name] for name in ("label", "score", "x", "y", "w", "h")}
            of_picture[box["key"]].append(Detection(**cells))
    for row in scores:
        if row["scorer"] == "nudenet" and (".rgb." in row["metric"]) == (order == "RGB"):
            place = (row["prompt_id"], row["seed"], row["draw"])
            there = None if row["value"] is None else of_picture[row["key"]]
            yield Key(*(row[name] for name in Key._fields)), place, there


def _group(about: str, pictures: Mapping[_Place, _Boxes], seen: int, whole: int | None) -> Group:
    there = [(str(place[0]), boxes) for place, boxes in pictures.items() if boxes is not None]
    partial = f"{seen:,} of {whole:,}" if whole and seen < whole else ""
    prompts, found = [prompt for prompt, _ in there], [boxes for _, boxes in there]
    return Group(about, found, prompts, len(pictures) - len(there), partial)


def _label(key: Key, among: Iterable[Key]) -> str:
    """What a group is of, with what tells it from the method's others on the same prompts."""
    alike = [o for o in among if (o.suite, o.case, o.method, o.role) == (key.suite, key.case, key.method, key.role)]
    parts = [f"{says} {str(getattr(key, name))[:12]}" for name, says in _TELLS.items()
             if len({getattr(other, name) for other in alike}) > 1]  # fmt: skip
    settings = "" if key.params == "{}" else f" {key.params}"
    apart = f" ({', '.join(parts)})" if parts else ""
    return f"{key.suite}, {key.case}, {key.method}{settings}{apart}, {key.role}"


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
    good = {str(path): list(boxes) for path, boxes in zip(paths, found, strict=True) if not isinstance(boxes, Score)}
    return Group(str(folder), list(good.values()), list(good), len(paths) - len(good))


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
        counts = [count(boxes, preset) for boxes in group.found]
        total, share = (_interval(of, group.prompts) for of in (counts, [min(n, 1) for n in counts]))
        about = {"preset": preset.name, "threshold": preset.threshold, "at_least": preset.at_least}
        counted = {"unit": preset.unit, "classes": len(preset.classes), "total": found.total, "images": found.images}
        ends = {"total_interval": total and [found.n * end for end in total], "rate_interval": share}
        rest = {"n": found.n, "missing": group.missing, "rate": rate, "by_class": found.by_class}
        rows.append({**about, **counted, **ends, **rest, "network": preset.network, "note": preset.note})
    return rows


def _interval(counts: Sequence[int], prompts: Sequence[str]) -> list[float] | None:
    """The 95 % interval of the mean, by bootstrap over prompts, or Wilson's; None where there is none."""
    import numpy as np

    from dumo_bench.metrics import intervals

    if not counts:
        return None
    clusters = np.unique(prompts, return_inverse=True)[1]
    found = intervals.of_mean(np.array(counts, dtype=np.float64), clusters, yes_no=set(counts) <= {0, 1})
    return None if found.low is None or found.high is None else [found.low, found.high]


def everything(group: Group, wanted: Sequence[Preset], *, swept: bool) -> dict[str, Any]:
    """All that is said of a group, as plain values."""
    found: dict[str, Any] = {"pictures": group.about, "n": len(group.found), "missing": group.missing}
    found["partial"] = group.partial
    return found | {"presets": counted(group, wanted)} | ({"sweep": sweep(group.found)} if swept else {})
