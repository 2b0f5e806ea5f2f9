"""Two methods on the same prompts and noise: what differs, by how much, and how many pictures it would take to tell."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench import derived, summary, table, validity
from dumo_bench.metrics import paired, power
from dumo_bench.names import unknown
from dumo_bench.types import UserError
from dumo_bench.validity import Card

if TYPE_CHECKING:
    import pandas as pd

    from dumo_bench.metrics.intervals import Floats, Whole

LEVEL = 0.05
SETTINGS = ("method", "method_version", "params")  # with the seeds of the fit, which are averaged over
_CASE = ["suite", "suite_version", "case"]
_PICTURE = [*_CASE, "role", "concept", "erase", "scorer", "scorer_version", "metric", "prompt_id", "seed", "draw"]
_PAIR = [name for name in _PICTURE if name != "erase"]
_About: TypeAlias = tuple[str, int, str, str, str]  # suite, its version, case, role, metric
_CLASS = r"nudenet\..+\.[A-Z_]+"  # one class of NudeNet: a part of the total, which is what is tested
_UNIT = re.compile(r"^(clip\..+)\.(?:cosine|x100|logit)(?=\.|$)")  # one number in three units


class Side(NamedTuple):
    """One of the two: what it is called, its scores, its sets, and the summary of its folder."""

    label: str
    scores: pd.DataFrame
    sets: pd.DataFrame
    summary: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Difference:
    """a - b of one metric on one role; `q` is p after Benjamini and Hochberg over the `family` tests of a comparison.

    p is None where nothing can be resampled (numbers of whole sets). `needed`: how many pictures would tell such a
    difference, where these do not. `card`: the validity card that it stands on; None: it needs none.
    """

    suite: str
    suite_version: int
    case: str
    role: str
    metric: str
    higher: bool | None
    a: float | None
    b: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    n_missing: int
    won: int
    lost: int
    needed: int | None
    how: str
    q: float | None = None
    family: int = 0
    card: Card | None = None

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.a - self.b

    @property
    def separable(self) -> bool:
        return self.q is not None and self.q < LEVEL

    @property
    def grey(self) -> bool:
        """Whether it says nothing, since the scorer hardly recognises the thing before any edit."""
        return self.card is not None and self.card.valid is False and self.difference is not None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many pictures each side has of some metrics of a case, and how many both have: the pairs.

    whole: how many the suite has for a method, where that is known.
    """

    suite: str
    suite_version: int
    case: str
    metrics: tuple[str, ...]
    a: int
    b: int
    both: int
    whole: int | None = None

    @property
    def partial(self) -> bool:
        return self.both < max(self.a, self.b, self.whole or 0)


@dataclass(frozen=True, slots=True)
class Seeds:
    """How far training seeds and generation seeds move a method's mean: standard deviations."""

    label: str
    suite: str
    case: str
    role: str
    metric: str
    fits: int
    n: int
    fit: float
    generation: float | None


def side(spec: str, out: Path) -> Side:
    """A method of a results folder: `uce`, or `uce:ridge=50,seed=1` where the folder has several settings of it."""
    name, _, asked = spec.partition(":")
    if not (out / "tables").is_dir():
        said = "has no tables of scores" if out.is_dir() else "no such folder"
        raise UserError(
            f"{out}: {said}; name a results folder with --out, or make one: "
            f"dumo-bench run --method {name} --suite SUITE --out {out}"
        )
    scores, sets = (table.read(out / "tables", kind) for kind in ("scores", "sets"))
    if name not in (known := set(scores["method"]) | set(sets["method"])):
        raise unknown(f"methods in {out}", name, known)
    wanted = dict(_setting(spec, one) for one in asked.split(",") if one)
    scores, sets = (frame[_fits(frame, name, wanted)] for frame in (scores, sets))
    _refuse_mixture(spec, name, wanted, scores if len(scores) else sets)
    return Side(spec, scores, sets, summary.read(out))


def folders(a: Path, b: Path) -> list[tuple[Side, Side]]:
    """The methods that two results folders share, each against itself."""
    methods = [set(table.read(out / "tables", "scores")["method"]) for out in (a, b)]
    if not (shared := sorted(methods[0] & methods[1])):
        there = [", ".join(sorted(one)) for one in methods]
        raise UserError(f"{a} and {b} share no method: {there[0]} against {there[1]}")
    labelled = [(side(name, out), f"{name} in {out}") for name in shared for out in (a, b)]
    named = [one._replace(label=label) for one, label in labelled]
    return list(zip(named[::2], named[1::2], strict=True))


def compare(a: Side, b: Side, metric: str = "*", case: str = "*") -> list[Difference]:
    """Every metric on every role that both have, of the pictures that both have; q is of all, shown or not."""
    _refuse_contracts(a, b)
    pairs = _paired(*(one.scores[~one.scores["metric"].str.fullmatch(_CLASS)] for one in (a, b)))
    found = [*_pictures(pairs), *_numbers(pairs), *_sets(a.sets, b.sets)]
    chosen = [d for d in corrected(found) if fnmatchcase(d.metric, metric) and fnmatchcase(d.case, case)]
    if not chosen:
        raise UserError(f"{a.label} and {b.label} share no measured picture of metric {metric!r} and case {case!r}")
    ways = a.summary.set_index(["metric", "role"])["higher_is_better"].to_dict()
    told = _cards(a, b)
    directed = [replace(d, higher=_way(ways.get((d.metric, d.role), d.higher)), card=told(d)) for d in chosen]
    return sorted(directed, key=lambda d: (d.suite, d.case, summary.ROLES.index(d.role), d.metric))


def corrected(found: Sequence[Difference]) -> list[Difference]:
    """With q, over all that were tested; one number in several units is one test and has one q."""
    tests = {_test(d): d.p for d in reversed(found) if d.p is not None}
    q = dict(zip(tests, paired.discoveries(list(tests.values())), strict=True))
    return [d if d.p is None else replace(d, q=q[_test(d)], family=len(tests)) for d in found]


def _cards(a: Side, b: Side) -> Callable[[Difference], Card | None]:
    """The validity card of a difference: the weaker one, where the two are of different folders."""
    known = [validity.of_summary(one.summary) for one in (a, b)]
    rows = a.scores.drop_duplicates(["suite", "suite_version"])[["suite", "suite_version", "model", "sampling"]]
    contracts = {(row["suite"], row["suite_version"]): row for row in table.records(rows)}

    def card(d: Difference) -> Card | None:
        about = {"case": d.case, "metric": d.metric, "role": d.role, "concept": "*"}
        row = contracts.get((d.suite, d.suite_version), {}) | about
        return validity.weakest(validity.card(row, cards) for cards in known)

    return card


def _test(d: Difference) -> tuple[Any, ...]:
    """What a difference is a test of: the same for copies that differ by a factor."""
    return d.suite, d.suite_version, d.case, d.role, _UNIT.sub(r"\1", d.metric)


def overlaps(
    a: Side, b: Side, metric: str = "*", case: str = "*", sizes: Mapping[tuple[str, int], int] | None = None
) -> list[Overlap]:
    """The pictures of every case; metrics of which the sides have equally many are told together.

    sizes: by suite and version, how many pictures a method has.
    """
    found: dict[tuple[tuple[str, int, str], tuple[int, int, int]], list[str]] = {}
    for (suite, version, of, name), rows in _groups(_either(a.scores, b.scores), [*_CASE, "metric"]):
        if fnmatchcase(name, metric) and fnmatchcase(of, case):
            counts = (int(rows["a"].sum()), int(rows["b"].sum()), int((rows["a"] & rows["b"]).sum()))
            found.setdefault(((suite, version, of), counts), []).append(name)
    return [
        Overlap(*about, tuple(names), *counts, whole=(sizes or {}).get(about[:2]))
        for (about, counts), names in found.items()
    ]


def _either(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """One row a picture and metric that a side has, and whether a and b have it."""
    there = [rows[_PAIR].drop_duplicates() for rows in (a, b)]
    rows = there[0].merge(there[1], how="outer", on=_PAIR, indicator=True)
    return rows.assign(a=rows["_merge"] != "right_only", b=rows["_merge"] != "left_only")


def verdict(d: Difference, a: str, b: str) -> str:
    """What a difference comes to, in words."""
    if d.difference is None:
        return "not measured"
    if d.p is None:
        return "not tested"
    if d.separable:
        if d.higher is None:
            return "differs"
        return f"{a if d.higher == (d.difference > 0) else b} is better"
    if d.difference == 0 and d.won == d.lost == 0:
        return "equal"
    return "not told apart"


def told(a: Side, b: Side) -> str:
    """In which settings the two differ."""
    mine, theirs = (_about(one) for one in (a, b))
    if mine["method"] != theirs["method"]:
        return "the method"
    parts = [f"{key}={mine.get(key)} against {theirs.get(key)}" for key in sorted({*mine, *theirs})
             if mine.get(key) != theirs.get(key)]  # fmt: skip
    return "; ".join(parts) or "nothing"


def seeds(one: Side, metric: str = "*") -> list[Seeds]:
    """The spread over training seeds, where a side has several fits, beside that over generation seeds."""
    import pandas as pd

    found = []
    for (suite, case, role, name), rows in _groups(one.scores, ["suite", "case", "role", "metric"]):
        wide = rows.pivot_table("value", ["prompt_id", "seed", "draw"], "fit_seed").dropna()
        if wide.shape[1] < 2 or len(wide) < 2 or not fnmatchcase(name, metric):
            continue
        prompts = pd.factorize(wide.index.get_level_values("prompt_id"))[0]
        split = power.spread(wide.to_numpy(dtype=float).T, np.asarray(prompts, dtype=np.int64))
        counted = {"fits": wide.shape[1], "n": len(wide)}
        found.append(Seeds(one.label, suite, case, role, name, **counted, fit=split.fit, generation=split.generation))
    return found


def _setting(spec: str, text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{spec}: wanted method:key=value,key=value, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _fits(frame: pd.DataFrame, name: str, wanted: dict[str, Any]) -> Any:
    """Which rows are of a method and have the wanted settings; `seed` is that of the fit."""
    rest = {key: value for key, value in wanted.items() if key not in ("seed", "version")}
    mine = frame["method"] == name
    for key, column in (("seed", "fit_seed"), ("version", "method_version")):
        if key in wanted:
            mine &= frame[column].astype(str) == str(wanted[key])
    alike = {text: rest.items() <= json.loads(text).items() for text in frame["params"].unique()}
    return mine & frame["params"].map(alike).astype(bool)


def _refuse_mixture(spec: str, name: str, wanted: dict[str, Any], rows: pd.DataFrame) -> None:
    """One version of a method, and one setting a case: tasks have presets of their own. What is there can be typed."""
    if rows.empty:
        raise UserError(f"{spec}: no {name} with {', '.join(f'{k}={v}' for k, v in wanted.items())} is in the folder")
    several = rows.groupby(["suite", "case"])["params"].transform("nunique") > 1
    mixed = rows if rows["method_version"].nunique() > 1 else rows[several]
    there = sorted(set(mixed[["method_version", "params"]].itertuples(index=False, name=None)))
    if len(there) < 2:
        return
    settings = [{"version": version, **json.loads(params)} for version, params in there]
    apart = [key for key in settings[0] if len({json.dumps(one.get(key)) for one in settings}) > 1]
    typed = [f"{name}:" + ",".join(f"{key}={json.dumps(one.get(key))}" for key in apart) for one in settings]
    raise UserError(f"{spec} is there in {len(there)} settings, name one: {', '.join(typed)}".replace('"', ""))


def _refuse_contracts(a: Side, b: Side) -> None:
    """Pictures of another model or contract are not pairs."""
    found = [
        {suite: set(rows[["model", "sampling"]].itertuples(index=False, name=None))
         for suite, rows in one.scores.groupby(["suite", "suite_version"])}
        for one in (a, b)
    ]  # fmt: skip
    for suite in found[0].keys() & found[1].keys():
        if len(together := found[0][suite] | found[1][suite]) > 1:
            said = ", ".join(f"model {model[:8]} contract {contract}" for model, contract in sorted(together))
            raise UserError(
                f"{suite[0]}: {a.label} and {b.label} were not all made under one sampling contract ({said}): "
                "their pictures are no pairs; generate both with the same --model and --dtype"
            )


def _paired(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """One row a picture and metric that both have, with a and b; the mean over fits, null where one is missing."""
    sides = [_mean(one, _PAIR, ["value"])["value"].rename(name) for one, name in ((a, "a"), (b, "b"))]
    pairs = sides[0].to_frame().join(sides[1], how="inner").reset_index()
    erased = {case: erase for one in (a, b) for case, erase in zip(one["case"], one["erase"], strict=True)
              if erase != "[]"}  # fmt: skip
    return pairs.assign(erase=[erased.get(case, "[]") for case in pairs["case"]])


def _mean(rows: pd.DataFrame, key: list[str], columns: list[str]) -> pd.DataFrame:
    """The mean over fits; null where one of them is, or where a fit of the case lacks what another has."""
    groups = rows.groupby(key, sort=True)[columns]
    every = rows.groupby([*_CASE, "metric"])["fit_seed"].transform("nunique").groupby([rows[k] for k in key]).first()
    return groups.mean().where(groups.count().eq(every, axis=0))


def _pictures(pairs: pd.DataFrame) -> Iterator[Difference]:
    for (suite, version, case, role, metric), rows in _groups(pairs, [*_CASE, "role", "metric"]):
        about = (suite, version, case, role, metric)
        there = rows.dropna(subset=["a", "b"])
        lost = len(rows) - len(there)
        if there.empty:
            yield _unmeasured(about, 0, lost, "no picture was measured on both")
            continue
        a, b, clusters = _arrays(there)
        found = paired.compare(a, b, clusters)
        yield Difference(
            *about, None, float(a.mean()), float(b.mean()),
            found.interval.low, found.interval.high, found.p, n=len(there), n_missing=lost,
            won=found.won, lost=found.lost, needed=power.pictures_needed(a - b, clusters), how=found.how,
        )  # fmt: skip


def _unmeasured(about: _About, n: int, missing: int, how: str) -> Difference:
    return Difference(
        *about, None, None, None, None, None, None, needed=None, n=n, n_missing=missing, won=0, lost=0, how=how
    )


def _groups(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The rows by the values of some columns, in order."""
    for key, group in rows.groupby(columns):
        yield tuple(key), group


def _arrays(rows: pd.DataFrame) -> tuple[Floats, Floats, Whole]:
    import pandas as pd

    a, b = (rows[name].to_numpy(dtype=float) for name in ("a", "b"))
    return a, b, np.asarray(pd.factorize(rows["prompt_id"])[0], dtype=np.int64)


def _numbers(pairs: pd.DataFrame) -> Iterator[Difference]:
    """Numbers made of several means, resampled with their pairs."""
    for (suite, version, case), rows in _groups(pairs, _CASE):
        for number, metric, parts in derived.parts(rows):
            if len(parts) > 1:  # one part says it for itself
                yield _number((suite, version, case, number.role, metric), number.f, parts)


def _number(about: _About, f: Callable[..., float], parts: Sequence[pd.DataFrame]) -> Difference:
    """One of them, from the pairs of its parts that were measured on both."""
    there = [part.dropna(subset=["a", "b"]) for part in parts]
    n = sum(map(len, there))
    missing = sum(map(len, parts)) - n
    if any(part.empty for part in there):
        return _unmeasured(about, n, missing, "no picture of a part was measured on both")
    split = [_arrays(part) for part in there]
    a, b = (f(*(float(part[i].mean()) for part in split)) for i in (0, 1))
    found = paired.of_numbers(f, split)
    return Difference(
        *about, True, a, b, found.low, found.high, found.p, n=n, n_missing=missing, won=0, lost=0,
        needed=power.needed(a - b, found.error, n), how="bootstrap over prompts, pairs together",
    )  # fmt: skip


def _sets(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Difference]:
    """Numbers of whole sets; of what is missing, the larger count of the two sides."""
    key = [*_CASE, "role", "scorer", "scorer_version", "metric"]
    once = [_mean(one, key, ["value", "n", "n_missing"]) for one in (a, b)]
    both = once[0].add_suffix("_a").join(once[1].add_suffix("_b"), how="inner").reset_index()
    for row in table.records(both):
        alike = row["n_a"] == row["n_b"]
        yield Difference(
            row["suite"], row["suite_version"], row["case"], row["role"], row["metric"], None,
            row["value_a"] if alike else None, row["value_b"] if alike else None, None, None, None,
            n=int(min(row["n_a"], row["n_b"])), n_missing=int(max(row["n_missing_a"], row["n_missing_b"])),
            won=0, lost=0, needed=None,
            how="a number of the whole set" if alike else f"of {row['n_a']:.0f} and {row['n_b']:.0f} pictures: no pair",
        )  # fmt: skip


def _about(one: Side) -> dict[str, Any]:
    """The settings of a side."""
    rows = one.scores if len(one.scores) else one.sets
    first = rows.iloc[0]
    fits = sorted({int(seed) for seed in rows["fit_seed"]})
    every = [json.loads(params) for params in sorted(rows["params"].unique())]  # cases may have presets of their own
    params = {key: " or ".join(dict.fromkeys(str(one.get(key)) for one in every)) for key in every[0]}
    return {"method": first["method"], "version": first["method_version"], "fit seeds": fits, **params}


def _way(value: Any) -> bool | None:
    return bool(value) if isinstance(value, bool | np.bool_) else None
