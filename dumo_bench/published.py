"""Published numbers beside ours: what was printed, what we found, and under which convention ours comes closest."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dumo_bench import files, summary, table, validity
from dumo_bench.metrics import intervals
from dumo_bench.scorers.presets import PRESETS, Preset, count, select
from dumo_bench.types import Detection, UserError
from dumo_bench.validity import Card, Place

if TYPE_CHECKING:
    import pandas as pd

STATUS = ("read in the paper", "read in the abstract", "read in the code", "secondary", "unverified")
COLUMNS = ("suite", "case", "method", "name", "metric", "value", "unit", "n", "source", "status", "convention", "note")


@dataclass(frozen=True, slots=True)
class Published:
    """One published number. `method` as the source writes it, `name` ours for it, if there is one.

    `metric` as the source defines it, `n` the pictures it is of where that is known, `status` how far it was checked.
    """

    suite: str
    case: str
    method: str
    name: str
    metric: str
    value: float
    unit: str
    n: int | None
    source: str
    status: str
    convention: str
    note: str


@dataclass(frozen=True, slots=True)
class Ours:
    """Our number in the published unit, with its 95 % interval and its n, under a convention of ours.

    `n`: the pictures it is of; of a number of sets, such as FID, those of the smallest set. `card`: of the validity
    cards that it stands on the weakest; None: it needs none.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    convention: str
    card: Card | None = None

    @property
    def grey(self) -> bool:
        """Whether it says nothing, since the scorer hardly recognises the thing before any edit."""
        return self.card is not None and self.card.valid is False


@dataclass(frozen=True, slots=True)
class Line:
    """A published number with our closest one; without ours, `why` may say what stands between."""

    published: Published
    ours: Ours | None = None
    why: str = ""

    @property
    def apart(self) -> str:
        """Why the two stand side by side without a difference, if they do: a set's number depends on its n."""
        if self.ours is None or not _of_sets(self.published) or self.ours.n == self.published.n:
            return ""
        return "its n is not known" if self.published.n is None else "n differs"

    @property
    def difference(self) -> float | None:
        return None if self.ours is None or self.apart else self.ours.value - self.published.value

    @property
    def partial(self) -> bool:
        """Whether ours is of fewer pictures than the published number."""
        return self.ours is not None and self.published.n is not None and self.ours.n < self.published.n

    @property
    def verdict(self) -> str:
        if self.ours is None or self.apart:
            return self.why or self.apart
        said = "differs"
        if self.ours.low is None or self.ours.high is None:
            said = "no interval"
        elif self.ours.low <= self.published.value <= self.ours.high:
            said = "agrees"
        return f"{said}, partial" if self.partial else said


class Way(NamedTuple):
    """Which of our metrics, on which roles, a published one is; `turned`: one minus ours."""

    metric: str
    roles: tuple[str, ...]
    turned: bool = False


#: a published metric (a pattern) -> ours, several where conventions differ
WAYS: tuple[tuple[str, tuple[Way, ...]], ...] = (
    ("LPIPS_da*", (Way("lpips*.da", ("all",)),)),
    ("LPIPS_e", (Way("lpips*", ("target",)),)),
    ("LPIPS_u", (Way("lpips*", ("kept",)),)),
    ("H_o", (Way("*.h_o", ("all",)),)),
    ("H_c", (Way("*.h_c", ("all",)),)),
    ("H_a", (Way("clip.*.h_a", ("all",)),)),
    ("Acc_[eE]", (Way("*.accuracy", ("target",)),)),
    ("Acc_[suL]", (Way("*.accuracy", ("kept",)),)),
    ("accuracy of the erased class", (Way("*.accuracy", ("target",)),)),
    ("accuracy of the other classes", (Way("*.accuracy", ("kept",)),)),
    ("CLIP", (Way("clip.*.cosine", ("kept",)), Way("clip.*.x100", ("kept",)), Way("clip.*.logit", ("kept",)))),
    ("CLIP_e", (Way("clip.*.x100", ("target",)), Way("clip.*.logit", ("target",)))),
    ("CLIP_s", (Way("clip.*.x100", ("kept",)), Way("clip.*.logit", ("kept",)))),
    ("FID*", (Way("fid.clean.real", ("kept", "unrelated")),)),
    ("ASR*", (Way("judge.erased", ("attack",)),)),
    ("attack success*", (Way("judge.erased", ("attack",)),)),
)
#: a method as sources write it -> the setting of ours that it is
VARIANTS: Mapping[str, tuple[str, str]] = {"ESD-x": ("variant", "x"), "ESD-u": ("variant", "u")}
#: numbers of the small CLIP that this package ships, which no paper used
_EMBEDDED = "clip.emoji.*"
#: published metrics that are numbers of a whole set
_OF_SETS = "FID*"
_SCALE = {"%": 100.0, "0 to 1": 1.0}
#: what a number of ours is of; numbers that differ in one of these are never averaged
_SETTING = ["suite_version", "method_version", "model", "sampling", "params", "fit_seed"]
_PARTS = "nude parts, "
#: rates and counts of pictures that show nudity, role by role where prompts may be attacks; NRR is one minus that
_PICTURES = ("pictures with exposed parts", "pictures with an exposed class", "ASR*", "attack success*", "NRR")
_BY_ROLE = _PICTURES[2:]


def folder() -> Path:
    """Where the published numbers lie: inside the installed package, beside it in a checkout."""
    return files.shipped("published_numbers", "results/published")


def load(place: Path | None = None) -> list[Published]:
    """Every published number, file by file."""
    return [row for path in sorted((place or folder()).glob("*.csv")) for row in _read(path)]


def _read(path: Path) -> Iterator[Published]:
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.DictReader(stream)
        if tuple(lines.fieldnames or ()) != COLUMNS:
            raise UserError(f"{path}: wanted the columns {', '.join(COLUMNS)}, got {', '.join(lines.fieldnames or ())}")
        for number, row in enumerate(lines, 2):
            if row["status"] not in STATUS:
                raise UserError(f"{path}:{number}: status {row['status']!r}, wanted one of {', '.join(STATUS)}")
            try:
                numbers: dict[str, Any] = {"value": float(row["value"]), "n": int(row["n"]) if row["n"] else None}
            except ValueError as error:
                raise UserError(f"{path}:{number}: {error}") from error
            yield Published(**{**row, **numbers})


@dataclass(frozen=True)
class Results:
    """The tables of a results folder; a folder that is not there has none.

    `foreign`: hash -> name of models that no paper is about; what they drew is compared with nothing.
    `cases`: suite -> how many cases it has, where that is known.
    """

    out: Path
    foreign: Mapping[str, str] = field(default_factory=dict)
    cases: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def summary(self) -> pd.DataFrame:
        there = (self.out / "summary.parquet").exists()
        whole = summary.read(self.out) if there else table.empty("summary")
        return whole[(whole["concept"] == "*") & ~whole["model"].isin(list(self.foreign))]

    @cached_property
    def cards(self) -> dict[Place, Card]:
        """The validity cards."""
        return validity.of_summary(self.summary)

    @cached_property
    def elsewhere(self) -> set[str]:
        """The suites that only foreign models were run on."""
        scores = table.read(self.out / "tables", "scores")
        away = scores["model"].isin(list(self.foreign))
        return set(scores.loc[away, "suite"]) - set(scores.loc[~away, "suite"])

    @cached_property
    def looked_at(self) -> pd.DataFrame:
        """One row a picture that NudeNet (in its own channel order) was asked about."""
        scores = table.read(self.out / "tables", "scores")
        mine = scores[(scores["scorer"] == "nudenet") & ~scores["metric"].str.contains(".rgb.", regex=False)]
        mine = mine[~mine["model"].isin(list(self.foreign))]
        return mine.drop_duplicates(["suite", "case", "method", *_SETTING, "prompt_id", "seed", "draw"])

    @cached_property
    def boxes(self) -> dict[str, list[Detection]]:
        """The boxes of each picture, by its key; a picture that lies in several parts has them once."""
        rows = table.read(self.out / "tables", "detections")
        mine = rows[(rows["detector"] == "nudenet") & (rows["order"] == "BGR")]
        found: dict[str, list[Detection]] = {}
        for row in table.records(mine):
            box = Detection(**{name: row[name] for name in ("label", "score", "x", "y", "w", "h")})
            found.setdefault(row["key"], []).append(box)
        return found


def compare(rows: Sequence[Published], results: Results) -> list[Line]:
    """Each published number with ours under the convention that comes closest."""
    return [_line(row, results) for row in rows]


def _line(row: Published, results: Results) -> Line:
    if row.suite in results.elsewhere:
        return Line(row, None, f"ours is of {' and '.join(sorted(set(results.foreign.values())))}, another model")
    found = list(ours(row, results))
    whole = [one for one in found if row.unit != "count" or row.n is None or one.n == row.n]
    if not whole:
        return Line(row, None, f"ours is of {found[0].n} pictures, a count of {row.n}" if found else "")
    lines = [Line(row, one) for one in whole]
    return min(lines, key=lambda line: (bool(line.apart), abs(line.ours.value - row.value) if line.ours else 0))


def _of_sets(row: Published) -> bool:
    return fnmatchcase(row.metric, _OF_SETS)


def ours(row: Published, results: Results) -> Iterator[Ours]:
    """Our numbers for a published one, under every convention that may be meant."""
    if not row.name:
        return
    if row.metric.startswith(_PARTS):
        part = row.metric.removeprefix(_PARTS)
        yield from _counted(row, results, lambda p: p.unit != "image", lambda found, p: _parts(found, p, part))
    elif _is(row, _PICTURES):
        turned = row.metric == "NRR"
        yield from _counted(row, results, lambda p: True, lambda found, p: bool(select(found, p)) is not turned)
    for pattern, ways in WAYS:
        if fnmatchcase(row.metric, pattern):
            for way in ways:
                yield from _averaged(row, way, results)


def _is(row: Published, metrics: Sequence[str]) -> bool:
    return any(fnmatchcase(row.metric, metric) for metric in metrics)


def _parts(found: Sequence[Detection], preset: Preset, part: str) -> int:
    mine = [box for box in found if part == "total" or box.label == f"{part}_EXPOSED"]
    return count(mine, preset)


def _counted(
    row: Published,
    results: Results,
    fits: Callable[[Preset], bool],
    value: Callable[[Sequence[Detection], Preset], float],
) -> Iterator[Ours]:
    """Counts of NudeNet's boxes under every preset that fits; of one case and one setting of the method at a time."""
    pictures = _of_case(results.looked_at, row)
    apart = ["case", *(["role"] if _is(row, _BY_ROLE) else []), *_SETTING]
    for _, rows in pictures.groupby(apart):
        there = rows[rows["value"].notna() & rows["role"].isin(["target", "attack"])]
        if there.empty:
            continue
        clusters = np.unique(there["prompt_id"], return_inverse=True)[1]
        for preset in (one for one in PRESETS.values() if one.exposed and fits(one)):
            values = np.array([float(value(results.boxes.get(key, []), preset)) for key in there["key"]])
            found = intervals.of_mean(values, clusters, yes_no=_is(row, _PICTURES))
            times = _SCALE.get(row.unit, len(values))
            role = f", {there['role'].iloc[0]}" if _is(row, _BY_ROLE) else ""
            said = f"nudenet {preset.name}{role}{_settings(there, pictures)}"
            yield Ours(float(values.mean()) * times, *_times(found, times), len(values), said)


def _averaged(row: Published, way: Way, results: Results) -> Iterator[Ours]:
    """The summary's numbers, of one setting at a time; over all cases where the published one is an average."""
    rows = _of_case(results.summary, row)
    rows = rows[rows["role"].isin(way.roles) & rows["value"].notna()]
    rows = rows[np.array([_fits(metric, way) for metric in rows["metric"]], dtype=bool)]
    for (metric, role, *_), group in rows.groupby(["metric", "role", "scorer", *_SETTING]):
        said = f"{metric}, {role}{_settings(group, rows)}{_cases(row, group, results)}"
        card = validity.weakest(validity.card(one, results.cards) for one in table.records(group))
        yield replace(_mean(row, way, group, said), card=card)


def _fits(metric: str, way: Way) -> bool:
    return (
        fnmatchcase(metric, way.metric) and not metric.endswith(summary.CHANGE) and not fnmatchcase(metric, _EMBEDDED)
    )


def _mean(row: Published, way: Way, group: pd.DataFrame, said: str) -> Ours:
    """The mean over the cases of one setting; with an interval if it is one case."""
    times = _SCALE.get(row.unit, 1.0)
    ends = intervals.Interval(None, None, "")
    if len(group) == 1:
        (only,) = table.records(group[["low", "high"]])
        ends = intervals.Interval(only["low"], only["high"], "")
    value, (low, high) = float(group["value"].mean()) * times, _times(ends, times)
    if way.turned:
        value, low, high = times - value, _turned(high, times), _turned(low, times)
    n = group["n"].min() if _of_sets(row) else group["n"].sum()
    return Ours(value, low, high, int(n), said)


def _of_case(rows: pd.DataFrame, row: Published) -> pd.DataFrame:
    mine = rows[(rows["suite"] == row.suite) & (rows["method"] == row.name)]
    if row.method in VARIANTS:
        name, value = VARIANTS[row.method]
        told = [json.loads(params).get(name) == value for params in mine["params"]]
        mine = mine[np.array(told, dtype=bool)]  # of no rows too, where a list would choose columns
    if row.case in ("", "average"):
        return mine
    return mine[mine["case"].str.lower() == row.case.lower()]


def _settings(group: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The setting of a group: what the method was told, and what else tells it from the other rows."""
    one = table.records(group[_SETTING].head(1))[0]
    said = "" if one["params"] == "{}" else f" {one['params']}"
    said += f" seed {one['fit_seed']}" if one["fit_seed"] else ""
    others = [name for name in _SETTING[:4] if rows[name].nunique() > 1]
    return said + "".join(f", {name.replace('_', ' ')} {str(one[name])[:8]}" for name in others)


def _cases(row: Published, group: pd.DataFrame, results: Results) -> str:
    """How many cases an average is of, if not of all."""
    there, known = group["case"].nunique(), results.cases.get(row.suite, 0)
    return f", {there} of {known} cases" if row.case in ("", "average") and there < known else ""


def _times(found: intervals.Interval, times: float) -> tuple[float | None, float | None]:
    return (None if found.low is None else found.low * times, None if found.high is None else found.high * times)


def _turned(end: float | None, whole: float) -> float | None:
    return None if end is None else whole - end
