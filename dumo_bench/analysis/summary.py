"""Scores to means with intervals, by suite, case, method, role, concept and metric, and their changes by the edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dumo_bench.analysis import catalogue, coverage, derived, kinds, results
from dumo_bench.analysis.catalogue import CHANGE, Catalogue
from dumo_bench.errors import UserError
from dumo_bench.metrics import intervals
from dumo_bench.storage import table
from dumo_bench.storage.columns import names
from dumo_bench.types import SETS, Better, Metric, Suite

if TYPE_CHECKING:
    import pandas as pd

_AGAIN = 10  # times: an end, should somebody add to the tables without one
KEPT = "kept"  # related and unrelated together
ROLES = ("target", "attack", "related", "unrelated", KEPT, derived.ALL)  # in the order in which they are shown
_GROUP = [
    "suite",
    "suite_version",
    "content",
    "case",
    "method",
    "method_version",
    "params",
    "fit_seed",
    "model",
    "sampling",
]
_SET = [*_GROUP, "role", "concept", "scorer", "scorer_version", "metric", "change"]
_PAIR = ["suite", "suite_version", "case", "model", "sampling", "scorer", "metric", "prompt_id", "seed", "draw"]
_IDENTITY = [*_GROUP, "prompt_id", "seed", "draw", "scorer", "metric"]


def write(out: Path, suites: Iterable[Suite] = ()) -> Path:
    """Summarise the tables of a results folder into its summary.parquet; `suites` tell which rows are partial.

    Where another program has added to them meanwhile, its summary may have been written before this one: once more.
    """
    tables, suites = out / "tables", list(suites)
    for _ in range(_AGAIN):
        seen = table.listing(tables)
        scores, sets = results.scores(out), results.sets(out)
        found = make(scores, sets, catalogue.of_frames(tables, scores, sets), suites)
        path = table.write_file(place(out), "summary", table.records(found))
        if table.listing(tables) == seen:
            break
    return path


def place(out: Path) -> Path:
    """Where the summary of a results folder lies."""
    return out / "summary.parquet"


def read(out: Path) -> pd.DataFrame:
    """The summary of a results folder."""
    path = place(out)
    if not path.exists():
        raise UserError(f"{path} is not there: `dumo-bench score` or `dumo-bench run` into {out} makes it")
    return table.read_file(path, "summary")


def make(
    scores: pd.DataFrame,
    sets: pd.DataFrame,
    known: Catalogue,
    suites: Iterable[Suite] = (),
) -> pd.DataFrame:
    """The summary of scores and sets, whose metrics are `known`."""
    scores, sets = (frame.fillna({"content": ""}) for frame in (scores, sets))  # null would fall out of every group
    _refuse_contradictions(scores)
    suites = list(suites)
    rows = _estimates(scores, known) + _passed_through(sets)
    rows += derived.rows(derived.with_erased(scores, derived.erased(scores, suites)), _GROUP, known.numbers)
    erases = kinds.of_rows(scores, sets) | kinds.of_suites(suites)
    for row in rows:
        row["erases"] = erases.get((row["suite"], row["suite_version"], row["case"]), "")
        row["content"] = row["content"] or None
        row["higher_is_better"] = higher(known.of(row).metric.way(row["role"], row["erases"]))
    whole = coverage.told(rows, suites, _GROUP, known)
    return table.frame("summary", [{name: row[name] for name in names("summary")} for row in whole])


def higher(way: Better) -> bool | None:
    """A direction as the summary keeps it; None: neither."""
    return {"higher": True, "lower": False, "neither": None}[way]


def changes(scores: pd.DataFrame, reference: str = "original") -> pd.DataFrame:
    """Scores minus the reference's for the same prompt and draw, under the metric's name with ".change" appended."""
    base = scores.loc[scores["method"] == reference, [*_PAIR, "value"]].drop_duplicates(_PAIR)
    paired = scores.merge(base, on=_PAIR, how="left", suffixes=("", "_base"), validate="many_to_one")
    alone = paired["value"].notna() & paired["value_base"].isna()
    paired["note"] = paired["note"].mask(alone, f"not measured on {reference}")
    paired["reason"] = paired["reason"].mask(alone, "no reference")
    paired["value"] = paired["value"] - paired["value_base"]
    return paired.drop(columns="value_base").assign(metric=paired["metric"] + CHANGE, change=True)


def _estimates(scores: pd.DataFrame, known: Catalogue) -> list[dict[str, Any]]:
    """One row a set, for every concept, for all of a role, and for all kept prompts."""
    import pandas as pd

    if scores.empty:
        return []
    measured = scores.dropna(subset="value").groupby("metric")["value"]
    yes_no = {name for name, values in measured if is_rate(known.named(str(name)).metric, values.unique())}
    both = pd.concat([scores.assign(change=False), changes(scores)])
    both["prompt"] = pd.factorize(both["prompt_id"])[0]
    whole = both.assign(concept="*")
    kept = whole[whole["role"].isin(SETS[KEPT])].assign(role=KEPT)
    every = pd.concat([both, whole, kept]).sort_values(_SET, kind="stable", ignore_index=True)
    values, prompts, notes, reasons = _arrays(every)
    starts = np.flatnonzero(~every.duplicated(_SET).to_numpy())
    found = []
    for key, start, end in zip(table.records(every.loc[starts, _SET]), starts, [*starts[1:], len(every)], strict=True):
        one = slice(start, end)
        unasked = reasons[one].count("not asked")
        estimate = _estimate(values[one], prompts[one], notes[one], yes_no=key["metric"] in yes_no)
        found.append(key | estimate | {"n_unasked": unasked})
    return found


def is_rate(metric: Metric, values: Iterable[float]) -> bool:
    """Whether these values of a metric are yes and no, so that Wilson's interval holds their mean."""
    return metric.kind == "rate" and set(values) <= {0.0, 1.0}


def _arrays(scores: pd.DataFrame) -> tuple[intervals.Floats, intervals.Whole, list[str], list[str]]:
    """Values with NaN for what is missing, prompts as numbers, notes, reasons."""
    values = scores["value"].to_numpy(dtype=float, na_value=np.nan)
    return values, scores["prompt"].to_numpy(dtype=np.int64), scores["note"].tolist(), scores["reason"].tolist()


def _estimate(values: intervals.Floats, prompts: intervals.Whole, notes: list[str], *, yes_no: bool) -> dict[str, Any]:
    """Mean and interval of the measured values of a set; what was not measured is counted and explained."""
    there = ~np.isnan(values)
    n = int(there.sum())
    missing = Counter(note for note, is_there in zip(notes, there, strict=True) if not is_there)
    counted = {"n": n, "n_missing": len(values) - n, "note": _note(missing)}
    if n == 0:
        return counted | {"value": None, "low": None, "high": None, "how": "nothing was measured"}
    clusters = np.unique(prompts[there], return_inverse=True)[1]
    found = intervals.of_mean(values[there], clusters, yes_no=yes_no)
    return counted | {"value": float(values[there].mean())} | found._asdict()


def _note(missing: Counter[str]) -> str:
    """Why values are missing, the commonest reasons first, with their counts."""
    shown = [f"{count} missing: {reason or 'no reason given'}" for reason, count in missing.most_common(3)]
    return "; ".join(shown) + (f"; {coverage.MORE}" if len(missing) > 3 else "")


def _passed_through(sets: pd.DataFrame) -> list[dict[str, Any]]:
    rest = {"concept": "*", "change": False}
    return [
        row | rest | {"n_unasked": row["n_missing"] * (row["reason"] == "not asked")} for row in table.records(sets)
    ]


def _refuse_contradictions(scores: pd.DataFrame) -> None:
    """One value a picture and metric, from one version of its scorer; anything else would be averaged silently."""
    for (suite, scorer, metric), versions in scores.groupby(["suite", "scorer", "metric"])["scorer_version"]:
        found = set(versions)
        if len(found) > 1:
            raise UserError(
                f"{suite}, {metric} was scored by versions {', '.join(sorted(found))} of {scorer} (+: what it was "
                "given behind @): run `dumo-bench score` for every method, so that one version has scored all"
            )
    for (suite, metric), scorers in scores.groupby(["suite", "metric"])["scorer"]:
        if len(found := set(scorers)) > 1:
            raise UserError(
                f"{suite}, {metric} was scored by {' and by '.join(sorted(found))}: delete tables/scores and score "
                "again with one of them, or rename the metric of the other"
            )
    twice = scores[scores.duplicated(_IDENTITY)]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"{row['suite']}, {row['case']}, {row['method']}, prompt {row['prompt_id']}: {row['metric']} is in the "
            "tables twice with different rows; delete tables/scores and run `dumo-bench score` again"
        )
