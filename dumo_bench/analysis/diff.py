"""What differs between two sides: which settings, which pictures, which scores, and what explains it.

A side is a method of a results folder, as for `compare`. Pictures are pairs where suite, case, prompt, seed and draw
are the same, whatever they were made with: that is what is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd

Of: TypeAlias = Literal["method", "model", "contract", "suite", "scorer", "machine"]
_PICTURE = ["suite", "case", "prompt_id", "seed", "draw"]
_ONCE = ("suite_version", "model", "sampling")  # of pictures that one side has several times, what tells them apart
_SCORE = [*_PICTURE, "scorer", "metric"]
#: columns of scores that a setting can be read from, and what it is a setting of
_COLUMNS: Mapping[str, Of] = {
    "method": "method", "method_version": "method", "fit_seed": "method", "erase": "method", "model": "model",
    "suite_version": "suite", "content": "suite", "batch": "machine",
}  # fmt: skip
_MAKES: tuple[Of, ...] = ("method", "model", "contract", "suite", "machine")  # what a picture depends on
NOTHING = "no setting that was recorded: other pictures in a batch, or another processor"
_OWN = ("method", "fit_seed", "erase")  # settings of a method that another method has as well


@dataclass(frozen=True, slots=True)
class Known:
    """What lies beside the scores of a folder: its contracts by their keys, the hashes of its pictures by theirs, and
    the versions of libraries that it was made with."""

    contracts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hashes: Mapping[str, set[str]] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting in which the sides differ, and the cases in which they do."""

    of: Of
    name: str
    a: str
    b: str
    cases: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.a} -> {self.b}"


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures of a case: how many are the same, were made otherwise, were made alike and are another file all the
    same, and are of one side alone."""

    suite: str
    case: str
    same: int
    changed: int
    other_file: int
    only_a: int
    only_b: int
    explained: str


@dataclass(frozen=True, slots=True)
class Scores:
    """A metric on a role of a case: of n pictures that both have, how many changed, and the means."""

    suite: str
    case: str
    role: str
    metric: str
    n: int
    changed: int
    a: float | None
    b: float | None
    explained: str


@dataclass(frozen=True, slots=True)
class Change:
    """One score that changed. same_picture: whether both are of a picture that was made alike."""

    suite: str
    case: str
    role: str
    prompt_id: str
    seed: int
    draw: int
    metric: str
    a: float | None
    b: float | None
    same_picture: bool


@dataclass(frozen=True, slots=True)
class Diff:
    """All that differs; `changes` are the largest first, by metric."""

    settings: tuple[Setting, ...]
    pictures: tuple[Pictures, ...]
    scores: tuple[Scores, ...]
    changes: tuple[Change, ...]


def diff(a: pd.DataFrame, b: pd.DataFrame, known: tuple[Known, Known] = (Known(), Known())) -> Diff:
    """Of the scores of two sides."""
    fits = [frame["fit_seed"].nunique() for frame in (a, b)]
    more = ["fit_seed"] if max(fits) > 1 else []  # one fit against another one is a setting
    more += [name for name in _ONCE if max(frame[name].nunique() for frame in (a, b)) > 1]
    settings = tuple(_settings(a, b, known))
    both = _joined(a, b, [*_SCORE, *more], ["value", "key", "role"])
    return Diff(
        settings,
        tuple(_pictures(_joined(a, b, [*_PICTURE, *more], ["key"]), settings, known)),
        tuple(_scores(both, settings)),
        tuple(_changes(both)),
    )


def _joined(a: pd.DataFrame, b: pd.DataFrame, on: list[str], rest: list[str]) -> pd.DataFrame:
    """One row a picture (and metric), with what each side says of it; `_merge` tells whose it is."""
    own = [frame[[*on, *rest]].drop_duplicates(on, keep="last") for frame in (a, b)]
    return own[0].merge(own[1], on=on, how="outer", suffixes=("_a", "_b"), indicator=True)


def _settings(a: pd.DataFrame, b: pd.DataFrame, known: tuple[Known, Known]) -> Iterator[Setting]:
    """Those in which they differ, each once, with its cases."""
    found: dict[tuple[Of, str, str, str], list[str]] = {}
    sides = [dict(table.groups(frame, ["suite", "case"])) for frame in (a, b)]
    for case in sides[0].keys() & sides[1].keys():
        said = [_said(side[case], of.contracts) for side, of in zip(sides, known, strict=True)]
        if len({one["method", "method"] for one in said}) > 1:  # the settings of two methods are not each other's
            said = [{key: text for key, text in one.items() if key[0] != "method" or key[1] in _OWN} for one in said]
        for name in sorted(said[0].keys() | said[1].keys()):
            of, values = name[0], [one.get(name, "not there") for one in said]
            if values[0] != values[1] and not (of == "scorer" and "not there" in values):
                found.setdefault((of, name[1], values[0], values[1]), []).append(": ".join(map(str, case)))
    yield from (Setting(*key, tuple(sorted(cases))) for key, cases in sorted(found.items()))
    libraries = [one.libraries for one in known]
    for library in sorted(libraries[0].keys() & libraries[1].keys()):
        if libraries[0][library] != libraries[1][library]:
            yield Setting("machine", library, libraries[0][library], libraries[1][library], ())


def _said(rows: pd.DataFrame, contracts: Mapping[str, Mapping[str, Any]]) -> dict[tuple[Of, str], str]:
    """Every setting that some rows of a case were made with."""
    found: dict[tuple[Of, str], list[str]] = {}

    def note(of: Of, name: str, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        found.setdefault((of, name), []).append(text[:12] if name in ("model", "content") else text)

    for row in table.records(rows[[*_COLUMNS, "params", "sampling"]].drop_duplicates()):
        for column, of in _COLUMNS.items():
            note(of, column, row[column])
        for name, value in json.loads(row["params"]).items():
            note("method", name, value)
        for name, value in contracts.get(row["sampling"], {"contract": row["sampling"]}).items():
            note("contract", name, value)
    for scorer, version in rows[["scorer", "scorer_version"]].drop_duplicates().itertuples(index=False, name=None):
        note("scorer", scorer, version)
    return {key: " or ".join(sorted(set(values))) for key, values in found.items()}


def _pictures(both: pd.DataFrame, settings: Sequence[Setting], known: tuple[Known, Known]) -> Iterator[Pictures]:
    for (suite, case), rows in table.groups(both, ["suite", "case"]):
        there = rows[rows["_merge"] == "both"]
        alike = there[there["key_a"] == there["key_b"]]["key_a"]
        other = sum(_other_file(key, known) for key in alike)
        changed, sides = len(there) - len(alike), rows["_merge"].value_counts()
        counts = (len(alike) - other, changed, other, int(sides["left_only"]), int(sides["right_only"]))
        of = _MAKES if changed else ("machine",)
        yield Pictures(suite, case, *counts, explained=_why(settings, of, suite, case) if changed or other else "")


def _other_file(key: str, known: tuple[Known, Known]) -> bool:
    """Whether a picture that was made alike is another file; one whose hash nobody kept is taken for the same."""
    a, b = (of.hashes.get(key) for of in known)
    return bool(a and b and not a & b)


def _why(settings: Sequence[Setting], of: Sequence[Of], suite: str, case: str) -> str:
    """The settings that a change can come from."""
    found = [one for one in settings if one.of in of and (not one.cases or f"{suite}: {case}" in one.cases)]
    made = [one for one in found if one.of != "machine"]
    return "; ".join(map(str, made or found)) or NOTHING


def _differs(rows: pd.DataFrame) -> pd.Series:
    """Which scores changed; two that were not measured are the same."""
    a, b = (rows[f"value_{side}"].astype("Float64") for side in "ab")
    return ((a.isna() != b.isna()) | (a != b).fillna(False)).astype(bool)


def _scores(both: pd.DataFrame, settings: Sequence[Setting]) -> Iterator[Scores]:
    there = both[both["_merge"] == "both"]
    there = there.assign(changed=_differs(there), alike=there["key_a"] == there["key_b"])
    for (suite, case, role, scorer, metric), rows in table.groups(
        there, ["suite", "case", "role_a", "scorer", "metric"]
    ):
        changed = rows[rows["changed"]]
        why = ""
        if len(changed):
            version = [one for one in settings if one.of == "scorer" and one.name == scorer]
            pictures = ["the pictures"] * bool((~changed["alike"]).any())
            why = "; ".join([*pictures, *(f"{scorer} {one.a} -> {one.b}" for one in version)]) or NOTHING
        a, b = (_mean(rows[f"value_{side}"]) for side in "ab")
        yield Scores(suite, case, role, metric, len(rows), len(changed), a, b, why)


def _mean(values: pd.Series) -> float | None:
    measured = values.dropna()
    return float(measured.mean()) if len(measured) else None


def _changes(both: pd.DataFrame) -> Iterator[Change]:
    there = both[both["_merge"] == "both"]
    changed = there[_differs(there)]
    size = (changed["value_a"].astype(float) - changed["value_b"].astype(float)).abs()
    order = changed.assign(size=size).sort_values(["metric", "size"], ascending=[True, False], kind="stable")
    for row in table.records(order):
        about = (row["suite"], row["case"], row["role_a"], row["prompt_id"], row["seed"], row["draw"], row["metric"])
        yield Change(*about, row["value_a"], row["value_b"], row["key_a"] == row["key_b"])
