"""One side of a comparison: a method of a results folder as it is typed, with its rows and what they mean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.analysis import catalogue, results, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.errors import UserError, unknown
from dumo_bench.types import Recipe

if TYPE_CHECKING:
    import pandas as pd


class Side(NamedTuple):
    """One of the two: what it is called, its scores, its sets, the summary of its folder, and its metrics."""

    label: str
    scores: pd.DataFrame
    sets: pd.DataFrame
    summary: pd.DataFrame
    metrics: Catalogue


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


def shared(a: Path, b: Path) -> list[tuple[Side, Side]]:
    """The methods that two results folders share, each against itself."""
    methods = [set(results.scores(out)["method"]) for out in (a, b)]
    if not (both := sorted(methods[0] & methods[1])):
        there = [", ".join(sorted(one)) for one in methods]
        raise UserError(f"{a} and {b} share no method: {there[0]} against {there[1]}")
    labelled = [(side(name, out), f"{name} in {out}") for name in both for out in (a, b)]
    named = [one._replace(label=label) for one, label in labelled]
    return list(zip(named[::2], named[1::2], strict=True))


def told(a: Side, b: Side) -> str:
    """In which settings the two differ."""
    mine, theirs = (_about(one) for one in (a, b))
    if mine["method"] != theirs["method"]:
        return "the method"
    parts = [f"{key}={mine.get(key)} against {theirs.get(key)}" for key in sorted({*mine, *theirs})
             if mine.get(key) != theirs.get(key)]  # fmt: skip
    return "; ".join(parts) or "nothing"


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


def _has(params: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
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
    typed = _typed(name, [{"version": version, **json.loads(params)} for version, params in there])
    raise UserError(f"{spec} is there in {len(there)} settings, name one: {', '.join(typed)}")


def is_of(recipe: Recipe, wanted: Mapping[str, Any]) -> bool:
    """Whether an edit is of settings that were typed; `seed` is that of the fit."""
    known = {**recipe.params, "seed": recipe.fit_seed, "version": recipe.version}
    return _has(known, wanted)


def apart(name: str, recipes: Iterable[Recipe]) -> list[str]:
    """How several edits of a method are typed, each with what tells it from the others."""
    return _typed(name, [{"version": one.version, "seed": one.fit_seed, **one.params} for one in recipes])


def _typed(name: str, settings: Sequence[Mapping[str, Any]]) -> list[str]:
    every = dict.fromkeys(key for one in settings for key in one)
    differing = [key for key in every if len({json.dumps(one.get(key)) for one in settings}) > 1]
    found = [f"{name}:" + ",".join(f"{key}={json.dumps(one.get(key))}" for key in differing) for one in settings]
    return [text.replace('"', "") for text in found]


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
