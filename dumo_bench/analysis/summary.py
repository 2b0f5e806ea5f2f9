"""Scores to means with intervals, by suite, case, method, role, concept and metric, and their changes by the edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dumo_bench.analysis import coverage, derived
from dumo_bench.errors import UserError
from dumo_bench.metrics import intervals
from dumo_bench.storage import table
from dumo_bench.storage.columns import names
from dumo_bench.types import SETS, Suite

if TYPE_CHECKING:
    import pandas as pd

KEPT = "kept"  # related and unrelated together
ROLES = ("target", "attack", "related", "unrelated", KEPT, derived.ALL)  # in the order in which they are shown
CHANGE = ".change"
_GROUP = ["suite", "suite_version", "case", "method", "method_version", "params", "fit_seed", "model", "sampling"]
_SET = [*_GROUP, "role", "concept", "scorer", "metric"]
_PAIR = ["suite", "suite_version", "case", "model", "sampling", "scorer", "metric", "prompt_id", "seed", "draw"]
_IDENTITY = [*_GROUP, "prompt_id", "seed", "draw", "scorer", "metric"]

# What an erased concept should lose and a kept one should keep; and what says nothing about a target: whether its
# object or its style is the erased one depends on the case, which judge.erased knows, and its picture has to change.
_TURNED_ON_TARGETS = ("clip.*.cosine", "clip.*.x100", "clip.*.logit", "clip.*.accuracy*", "lpips*")
_OPEN_ON_TARGETS = ("judge.object*", "judge.style*", "style.*.right*", "style.*.p", "fid.*.original", "kid.*.original")
#: numbers of boxes: Wilson's interval of a rate does not hold them, even where all are 0 or 1
_COUNTS = ("*.total", "nudenet.*.[A-Z]*")


def write(out: Path, higher_is_better: Mapping[str, bool | None], suites: Iterable[Suite] = ()) -> Path:
    """Summarise the tables of a results folder into its summary.parquet; `suites` tell which rows are partial."""
    tables = out / "tables"
    found = make(table.read(tables, "scores"), table.read(tables, "sets"), higher_is_better, suites)
    return table.write_file(out / "summary.parquet", "summary", table.records(found))


def read(out: Path) -> pd.DataFrame:
    """The summary of a results folder."""
    path = out / "summary.parquet"
    if not path.exists():
        raise UserError(f"{path} is not there: `dumo-bench score` or `dumo-bench run` into {out} makes it")
    return table.read_file(path, "summary")


def make(
    scores: pd.DataFrame,
    sets: pd.DataFrame,
    higher_is_better: Mapping[str, bool | None],
    suites: Iterable[Suite] = (),
) -> pd.DataFrame:
    """The summary of scores and sets; `higher_is_better` holds each metric's own direction, as scorers declare it."""
    _refuse_contradictions(scores)
    rows = _estimates(scores) + _passed_through(sets)
    for row in rows:
        row["higher_is_better"] = direction(row["metric"], row["role"], higher_is_better)
    suites = list(suites)
    rows += derived.rows(derived.with_erased(scores, derived.erased(scores, suites)), _GROUP)
    whole = coverage.told(rows, suites, _GROUP)
    return table.frame("summary", [{name: row[name] for name in names("summary")} for row in whole])


def direction(metric: str, role: str, higher_is_better: Mapping[str, bool | None]) -> bool | None:
    """Whether more of a metric is better for a role; None: neither, or not known."""
    metric = metric.removesuffix(CHANGE)
    own = higher_is_better.get(metric)
    if own is None or role not in ("target", "attack"):
        return own
    if _fits(metric, _OPEN_ON_TARGETS):
        return None
    return not own if _fits(metric, _TURNED_ON_TARGETS) else own


def _fits(metric: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(metric, pattern) for pattern in patterns)


def changes(scores: pd.DataFrame, reference: str = "original") -> pd.DataFrame:
    """Scores minus the reference's for the same prompt and draw, under the metric's name with ".change" appended."""
    base = scores.loc[scores["method"] == reference, [*_PAIR, "value"]].drop_duplicates(_PAIR)
    paired = scores.merge(base, on=_PAIR, how="left", suffixes=("", "_base"), validate="many_to_one")
    alone = paired["value"].notna() & paired["value_base"].isna()
    paired["note"] = paired["note"].mask(alone, f"not measured on {reference}")
    paired["value"] = paired["value"] - paired["value_base"]
    paired["metric"] = paired["metric"] + CHANGE
    return paired.drop(columns="value_base")


def _estimates(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a set, for every concept, for all of a role, and for all kept prompts."""
    import pandas as pd

    if scores.empty:
        return []
    measured = scores.dropna(subset="value").groupby("metric")["value"]
    yes_no = {metric for metric, values in measured if is_rate(str(metric), values.unique())}
    both = pd.concat([scores, changes(scores)])
    both["prompt"] = pd.factorize(both["prompt_id"])[0]
    whole = both.assign(concept="*")
    kept = whole[whole["role"].isin(SETS[KEPT])].assign(role=KEPT)
    every = pd.concat([both, whole, kept]).sort_values(_SET, kind="stable", ignore_index=True)
    values, prompts, notes = _arrays(every)
    starts = np.flatnonzero(~every.duplicated(_SET).to_numpy())
    found = []
    for key, start, end in zip(table.records(every.loc[starts, _SET]), starts, [*starts[1:], len(every)], strict=True):
        one = slice(start, end)
        found.append(key | _estimate(values[one], prompts[one], notes[one], yes_no=key["metric"] in yes_no))
    return found


def is_rate(metric: str, values: Iterable[float]) -> bool:
    """Whether these values of a metric are yes and no, so that Wilson's interval holds their mean."""
    return not _fits(metric, _COUNTS) and set(values) <= {0.0, 1.0}


def _arrays(scores: pd.DataFrame) -> tuple[intervals.Floats, intervals.Whole, list[str]]:
    """Values with NaN for what is missing, prompts as numbers, notes."""
    values = scores["value"].to_numpy(dtype=float, na_value=np.nan)
    return values, scores["prompt"].to_numpy(dtype=np.int64), scores["note"].tolist()


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
    return [row | {"concept": "*"} for row in table.records(sets)]


def _refuse_contradictions(scores: pd.DataFrame) -> None:
    """One value a picture and metric, from one version of its scorer; anything else would be averaged silently."""
    for (suite, scorer, metric), versions in scores.groupby(["suite", "scorer", "metric"])["scorer_version"]:
        found = set(versions)
        if len(found) > 1:
            raise UserError(
                f"{suite}, {metric} was scored by versions {', '.join(sorted(found))} of {scorer} (+: what it was "
                "given behind @): run `dumo-bench score` for every method, so that one version has scored all"
            )
    twice = scores[scores.duplicated(_IDENTITY)]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"{row['suite']}, {row['case']}, {row['method']}, prompt {row['prompt_id']}: {row['metric']} is in the "
            "tables twice with different rows; delete tables/scores and run `dumo-bench score` again"
        )
