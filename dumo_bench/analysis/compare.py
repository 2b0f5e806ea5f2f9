"""Methods on the same prompts and noise: effect size, interval, p-value, and the sample size needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np

from dumo_bench.analysis import catalogue, differences, kinds, pairs, recognition, results, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.differences import Difference
from dumo_bench.analysis.kinds import Kinds
from dumo_bench.errors import UserError, unknown
from dumo_bench.metrics import power
from dumo_bench.storage import table
from dumo_bench.types import Role

if TYPE_CHECKING:
    import pandas as pd


class Side(NamedTuple):
    """One of the two: what it is called, its scores, its sets, the summary of its folder, and its metrics."""

    label: str
    scores: pd.DataFrame
    sets: pd.DataFrame
    summary: pd.DataFrame
    metrics: Catalogue


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
    name = spec.partition(":")[0]
    if not (out / "tables").is_dir():
        said = "has no tables of scores" if out.is_dir() else "no such folder"
        raise UserError(
            f"{out}: {said}; name a results folder with --out, or make one: "
            f"dumo-bench run --method {name} --suite SUITE --out {out}"
        )
    scores, sets = (results.scores(out), results.sets(out))
    if name not in (known := set(scores["method"]) | set(sets["method"])):
        raise unknown(f"methods in {out}", name, known)
    scores, sets = (rows_of(spec, frame) for frame in (scores, sets))
    _refuse_mixture(spec, name, asked(spec), scores if len(scores) else sets)
    return Side(spec, scores, sets, summary.read(out), catalogue.of_frames(out / "tables", scores, sets))


def folders(a: Path, b: Path) -> list[tuple[Side, Side]]:
    """The methods that two results folders share, each against itself."""
    methods = [set(results.scores(out)["method"]) for out in (a, b)]
    if not (shared := sorted(methods[0] & methods[1])):
        there = [", ".join(sorted(one)) for one in methods]
        raise UserError(f"{a} and {b} share no method: {there[0]} against {there[1]}")
    labelled = [(side(name, out), f"{name} in {out}") for name in shared for out in (a, b)]
    named = [one._replace(label=label) for one, label in labelled]
    return list(zip(named[::2], named[1::2], strict=True))


def compare(a: Side, b: Side, metric: str = "*", case: str = "*") -> list[Difference]:
    """Every metric on every role that both have, of the pictures that both have; q is of all, shown or not."""
    return every([(a, b)], metric, case)[0]


def every(sides: Sequence[tuple[Side, Side]], metric: str = "*", case: str = "*") -> list[list[Difference]]:
    """What `compare` finds of each two sides; q is of all tests of all of them."""
    found = differences.corrected([_tested(a, b) for a, b in sides])
    return [_chosen(a, b, group, metric, case) for (a, b), group in zip(sides, found, strict=True)]


def _tested(a: Side, b: Side) -> list[Difference]:
    refuse_contracts((a.label, a.scores), (b.label, b.scores))
    return [*differences.differences(a.scores, b.scores, a.metrics), *differences.of_sets(a.sets, b.sets)]


def _chosen(a: Side, b: Side, found: Sequence[Difference], metric: str, case: str) -> list[Difference]:
    """What is asked for, with its direction and its detection rate, in order."""
    chosen = [d for d in found if fnmatchcase(d.metric, metric) and fnmatchcase(d.case, case)]
    if not chosen:
        raise _nothing(a, b, found, metric, case)
    told, erases = _detection_rates(a, b), kinds.of_rows(a.summary, b.summary, a.scores, b.scores)
    directed = [replace(told(d), higher=_higher(d, a.metrics, erases)) for d in chosen]
    return sorted(directed, key=lambda d: (d.suite, d.case, summary.ROLES.index(d.role), d.metric))


def _nothing(a: Side, b: Side, found: Sequence[Difference], metric: str, case: str) -> UserError:
    """About a metric, a case or both of which the two share no picture: which there are."""
    for what, asked, shared in (
        ("metrics", metric, {d.metric for d in found}),
        ("cases", case, {d.case for d in found}),
    ):
        if found and not any(fnmatchcase(name, asked) for name in shared):
            return unknown(f"{what} of {a.label} and {b.label}", asked, shared)
    return UserError(f"{a.label} and {b.label} share no measured picture of metric {metric!r} and case {case!r}")


def _higher(d: Difference, metrics: Catalogue, erases: Kinds) -> bool | None:
    """Whether more of a metric is better on a role of a case."""
    return summary.higher(
        metrics.named(d.metric).metric.way(d.role, erases.get((d.suite, d.suite_version, d.case), ""))
    )


def _detection_rates(a: Side, b: Side) -> Callable[[Difference], Difference]:
    """Gives a difference its detection rate on unedited pictures: the lower one, where folders have two."""
    known = [recognition.of_summary(one.summary, one.metrics) for one in (a, b)]
    others = [recognition.unasked(one.summary, one.metrics) for one in (a, b)]
    rows = a.scores.drop_duplicates(["suite", "suite_version"])[["suite", "suite_version", "model", "sampling"]]
    contracts = {(row["suite"], row["suite_version"]): row for row in table.records(rows)}

    def told(d: Difference) -> Difference:
        if (of := (d.suite, d.suite_version)) not in contracts:  # there are numbers of sets alone
            return d
        known_as = a.metrics.named(d.metric)
        about = {"case": d.case, "metric": d.metric, "role": d.role, "concept": "*", "change": False}
        row = contracts[of] | about | {"scorer": known_as.scorer, "scorer_version": known_as.version}
        detection_rate = recognition.weakest(
            recognition.detection_rate(row, detection_rates, a.metrics) for detection_rates in known
        )
        return replace(
            d,
            detection_rate=detection_rate,
            unedited=detection_rate or recognition.weakest(r.get(recognition.place(row)) for r in others),
        )

    return told


def overlaps(
    a: Side, b: Side, metric: str = "*", case: str = "*", sizes: Mapping[tuple[str, int], int] | None = None
) -> list[Overlap]:
    """The pictures of every case; metrics of which the sides have equally many are told together.

    Of a derived metric those of its parts; of one of whole sets their sizes. sizes: by suite and version, how many
    pictures a method has.
    """
    import pandas as pd

    every = pd.concat([_either(a.scores, b.scores), _of_sets(a.sets, b.sets)])
    names = {*a.metrics.by_name, *b.metrics.by_name}
    asked = a.metrics.with_parts(name for name in names if fnmatchcase(name, metric))
    found: dict[tuple[tuple[str, int, str], tuple[int, int, int]], list[str]] = {}
    for (suite, version, of, name), rows in _groups(every, [*pairs.CASE, "metric"]):
        if name in asked and fnmatchcase(of, case):
            counts = (int(rows["a"].sum()), int(rows["b"].sum()), int(rows["both"].sum()))
            found.setdefault(((suite, version, of), counts), []).append(name)
    return [
        Overlap(*about, tuple(names), *counts, whole=(sizes or {}).get(about[:2]))
        for (about, counts), names in found.items()
    ]


def _groups(rows: pd.DataFrame, columns: list[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The rows by the values of some columns, in order."""
    for key, group in rows.groupby(columns):
        yield tuple(key), group


def _either(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """One row a picture and metric that a side has, and whether a, b and both have it."""
    there = [rows[pairs.PAIR].drop_duplicates() for rows in (a, b)]
    rows = there[0].merge(there[1], how="outer", on=pairs.PAIR, indicator=True)
    return rows.assign(a=rows["_merge"] != "right_only", b=rows["_merge"] != "left_only", both=rows["_merge"] == "both")


def _of_sets(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """One row a set and metric: of how many pictures it is in a, in b, and in both, which sets of two sizes are not."""
    key = [*pairs.CASE, "metric", "role"]
    own = [rows[rows["role"].isin(get_args(Role))] for rows in (a, b)]  # others are made of these
    sizes = [(rows["n"] + rows["n_missing"]).groupby([rows[name] for name in key]).max() for rows in own]
    there = sizes[0].to_frame("a").join(sizes[1].rename("b"), how="outer").fillna(0).reset_index()
    return there.assign(both=there["a"].where(there["a"] == there["b"], 0))


def verdict(d: Difference, a: str, b: str, least: float = 0.0) -> str:
    """What a difference comes to, in words; one that is smaller than `least` is none, however significant."""
    if d.difference is None:
        return "not measured"
    if d.p is None:
        return "not tested"
    if not d.separable:
        return "equal" if d.difference == 0 and d.won == d.lost == 0 else "not significant"
    if abs(d.difference) < least:
        return "too small"
    return "differs" if d.higher is None else f"{a if d.higher == (d.difference > 0) else b} is better"


def told(a: Side, b: Side) -> str:
    """In which settings the two differ."""
    mine, theirs = (_about(one) for one in (a, b))
    if mine["method"] != theirs["method"]:
        return "the method"
    parts = [f"{key}={mine.get(key)} against {theirs.get(key)}" for key in sorted({*mine, *theirs})
             if mine.get(key) != theirs.get(key)]  # fmt: skip
    return "; ".join(parts) or "nothing"


def seeds(one: Side, metric: str = "*", case: str = "*") -> list[Seeds]:
    """The spread over training seeds, where a side has several fits, beside that over generation seeds.

    Of one number in several units the first, and of what is no part of another.
    """
    import pandas as pd

    names = [name for name in sorted(one.scores["metric"].unique()) if fnmatchcase(name, metric)]
    own = [one.metrics.named(name).metric for name in names]
    once = {metric.copy_of or metric.name: metric.name for metric in reversed(own) if not metric.part_of}.values()
    shown = one.scores[one.scores["metric"].isin(once)]
    found = []
    for (suite, of, role, name), rows in _groups(shown, ["suite", "case", "role", "metric"]):
        wide = rows.pivot_table("value", ["prompt_id", "seed", "draw"], "fit_seed").dropna()
        if wide.shape[1] < 2 or len(wide) < 2 or not fnmatchcase(of, case):
            continue
        prompts = pd.factorize(wide.index.get_level_values("prompt_id"))[0]
        split = power.spread(wide.to_numpy(dtype=float).T, np.asarray(prompts, dtype=np.int64))
        counted = {"fits": wide.shape[1], "n": len(wide)}
        found.append(Seeds(one.label, suite, of, role, name, **counted, fit=split.fit, generation=split.generation))
    return found


def asked(spec: str) -> dict[str, Any]:
    """The settings that a method is typed with: of `uce:ridge=50,seed=1` ridge and seed."""
    return dict(_setting(spec, one) for one in spec.partition(":")[2].split(",") if one)


def rows_of(spec: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a method as it is typed, of scores or sets."""
    found: pd.DataFrame = frame[_fits(frame, spec.partition(":")[0], asked(spec))]
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
    alike = {text: _has(json.loads(text), rest) for text in frame["params"].unique()}
    return mine & frame["params"].map(alike).astype(bool)


def _has(params: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether these are among the settings; what some recipes alone say (a model's own plans) is null in the others.

    A text may look like a number, as the preset 2025 does.
    """
    return all(params.get(name) == value or str(params.get(name)) == str(value) for name, value in wanted.items())


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
    every = dict.fromkeys(key for one in settings for key in one)
    apart = [key for key in every if len({json.dumps(one.get(key)) for one in settings}) > 1]
    typed = [f"{name}:" + ",".join(f"{key}={json.dumps(one.get(key))}" for key in apart) for one in settings]
    raise UserError(f"{spec} is there in {len(there)} settings, name one: {', '.join(typed)}".replace('"', ""))


def refuse_contracts(a: tuple[str, pd.DataFrame], b: tuple[str, pd.DataFrame]) -> None:
    """Pictures of another model or contract are not pairs. Each side is what it is called and its scores."""
    found = [
        {suite: set(rows[["model", "sampling"]].itertuples(index=False, name=None))
         for suite, rows in scores.groupby(["suite", "suite_version"])}
        for _, scores in (a, b)
    ]  # fmt: skip
    for suite in found[0].keys() & found[1].keys():
        if len(together := found[0][suite] | found[1][suite]) > 1:
            said = ", ".join(f"model {model[:8]} contract {contract}" for model, contract in sorted(together))
            raise UserError(
                f"{suite[0]}: {a[0]} and {b[0]} were not all made under one sampling contract ({said}): "
                "their pictures are no pairs; generate both with the same --model and --dtype"
            )


def _about(one: Side) -> dict[str, Any]:
    """The settings of a side."""
    rows = one.scores if len(one.scores) else one.sets
    first = rows.iloc[0]
    fits = sorted({int(seed) for seed in rows["fit_seed"]})
    every = [json.loads(params) for params in sorted(rows["params"].unique())]  # cases may have presets of their own
    keys = dict.fromkeys(key for one in every for key in one)
    params = {key: " or ".join(dict.fromkeys(str(one.get(key)) for one in every)) for key in keys}
    return {"method": first["method"], "version": first["method_version"], "fit seeds": fits, **params}
