"""Which numbers are made of others, by what metrics measure, and with what interval. Formulas: metrics/derived.py."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench.metrics import derived, intervals
from dumo_bench.types import SETS, Made, Metric, Suite, canonical, spelt

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from dumo_bench.metrics.intervals import Floats, Whole

_CASE = ["suite", "suite_version", "case"]
Erased: TypeAlias = dict[tuple[Any, ...], str]  # suite, version, case -> canonical JSON of its concepts
ALL = "all"  # the role of a number that is made of several roles


class Part(NamedTuple):
    """A mean that a number is made of: of a metric, over a role's prompts.

    `named` prompts of the role are counted under an erased concept, others mean it in other words; None: both.
    """

    metric: str
    role: str
    named: bool | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A number f(part, part, ...) of one scorer's metrics, itself a metric; `of` is the one that it is called after.

    f takes arrays as it takes numbers. `rates`: its parts are shares of pictures.
    """

    metric: Metric
    of: Metric
    what: Made
    f: Callable[..., Any]
    parts: tuple[Part, ...]
    formula: str
    role: str = ALL
    rates: bool = True


def numbers(metrics: Iterable[Metric]) -> Iterator[Number]:
    """Everything that can be made of one scorer's metrics.

    UA, Acc and H are made of rates, and of means of shares whose scorer names them as partners.
    """
    every = list(metrics)
    partners = {metric.partner for metric in every if metric.kind == "mean"}
    for metric in every:
        if metric.measures == "erased" and (metric.kind == "rate" or metric.name in partners):
            yield from _of_targets(metric)
        if metric.measures == "asked" and metric.partner and metric.kind in ("rate", "mean"):
            yield from _harmonic(metric)
        if metric.kind != "set" and metric.measures == "fit":
            yield _between(metric, "h_a", derived.h_a, ("kept", "target"), "CLIP_s - CLIP_e")
        if metric.kind != "set" and metric.measures == "distance":
            yield _between(metric, "da", derived.da, ("target", "kept"), "distance_e - distance_u")


def _made(of: Metric, what: Made, title: str, **rest: Any) -> Metric:
    return Metric(
        f"{of.name}.{what}", title=title, **{"unit": "0 to 1", "better": "higher", "convention": of.convention, **rest}
    )


def _of_targets(erased: Metric) -> Iterator[Number]:
    """What a rate of erased concepts on targets comes to: UA of all, Acc_e and Acc_g of their parts."""
    number = partial(Number, of=erased, role="target", rates=erased.kind == "rate")
    of, shown = partial(Part, erased.name, "target"), {"better": "lower", "part_of": erased.name}
    yield number(_made(erased, "ua", "UA"), what="ua", f=derived.ua, parts=(of(),), formula="1 - shown")
    by_name, other = _made(erased, "acc_e", "Acc_e", **shown), _made(erased, "acc_g", "Acc_g", **shown)
    acc = partial(number, f=derived.acc)
    yield acc(by_name, what="acc_e", parts=(of(named=True),), formula="shown, by name")
    yield acc(other, what="acc_g", parts=(of(named=False),), formula="shown, in other words")


def _harmonic(right: Metric) -> Iterator[Number]:
    """H_c and H_o: the partner's rate of erased concepts on targets, and the rate of what is right on kept prompts.

    HM has the related ones alone.
    """
    gone, kept = Part(right.partner, "target"), Part(right.name, "kept")
    named, meant = (gone._replace(named=named) for named in (True, False))
    of_all, of_each = "2 / (1/UA + 1/Acc_s)", "3 / (1/(1 - Acc_e) + 1/Acc_s + 1/(1 - Acc_g))"
    number = partial(Number, of=right, rates=right.kind == "rate")
    yield number(_made(right, "h_c", "H_c"), what="h_c", f=derived.h_c, parts=(gone, kept), formula=of_all)
    yield number(_made(right, "h_o", "H_o"), what="h_o", f=derived.h_o, parts=(named, kept, meant), formula=of_each)
    near, of_near = kept._replace(role="related"), "3 / (1/(1 - Eff) + 1/Sens + 1/(1 - Gen))"
    yield number(_made(right, "hm", "HM"), what="hm", f=derived.hm, parts=(named, near, meant), formula=of_near)


def _between(of: Metric, what: Made, f: Callable[..., Any], roles: tuple[str, str], formula: str) -> Number:
    """The difference of a metric's means over two roles, in the metric's own unit."""
    copy = f"{of.copy_of}.{what}" if of.copy_of else ""
    title = {"h_a": "H_a", "da": "da"}[what]  # of any distance, LPIPS or not
    metric = replace(_made(of, what, title), unit=of.unit, digits=of.digits, copy_of=copy)
    return Number(metric, of, what, f, tuple(Part(of.name, role) for role in roles), formula, rates=False)


def erased(scores: pd.DataFrame, suites: Iterable[Suite] = ()) -> Erased:
    """What each case erases, as the suites and the rows of its erasers say: those of the unedited model do not."""
    known = {(suite.name, suite.version, case.name): canonical(case.erase) for suite in suites for case in suite.cases}
    told = scores.loc[scores["erase"] != "[]", [*_CASE, "erase"]].drop_duplicates(_CASE)
    return known | {tuple(key): erase for *key, erase in told.itertuples(index=False, name=None)}


def parts(scores: pl.DataFrame, erase: str, among: Iterable[Number]) -> Iterator[tuple[Number, list[pl.DataFrame]]]:
    """Every number that scores of one case and method have the parts of, with the rows of its parts.

    erase: what the case erases, canonical JSON."""
    gone = set(map(spelt, json.loads(erase)))
    of = {str(metric): rows for (metric,), rows in scores.group_by(["metric"], maintain_order=True)}
    for number in among:
        if all(part.metric in of for part in number.parts):
            chosen = [over(part, of[part.metric], gone) for part in number.parts]
            if not any(rows.is_empty() for rows in chosen):
                yield number, chosen


def rows(scores: pl.DataFrame, erase: str, group: Sequence[str], among: Sequence[Number]) -> list[dict[str, Any]]:
    """Every number of every group of a case's scores for which all parts were tried, as rows of the summary's
    estimates, in the order of groups. erase: what the case erases."""
    found = []
    every = {key: one for key, one in scores.group_by(group, maintain_order=True)}
    for key in sorted(every):
        about = dict(zip(group, key, strict=True))
        for number, chosen in parts(every[key], erase, among):
            found.append(
                about | {"metric": number.metric.name, "role": number.role, "concept": "*"} | _estimate(number, chosen)
            )
    return found


def _estimate(number: Number, chosen: Sequence[pl.DataFrame]) -> dict[str, Any]:
    """The number from the rows of its parts; null where a part has no measured one."""
    n = sum(rows["value"].count() for rows in chosen)
    missing = sum(map(len, chosen)) - n
    found = {
        **{name: chosen[0][name][0] for name in ("scorer", "scorer_version")},
        "n": n,
        "n_missing": missing,
        "n_unasked": sum(int((rows["reason"] == "not asked").sum()) for rows in chosen),
        "change": False,
        "note": f"{missing} missing in its parts" if missing else "",
    }
    measured = [_arrays(rows.drop_nulls("value")) for rows in chosen]
    if any(len(values) == 0 for values, _ in measured):
        return found | {"value": None, "low": None, "high": None, "how": f"{number.formula}; a part was not measured"}
    interval = intervals.of_function(number.f, measured, yes_no=number.rates)
    value = float(number.f(*(values.mean() for values, _ in measured)))
    return found | {"value": value} | interval._asdict() | {"how": f"{number.formula}; {interval.how}"}


def over(part: Part, scores: pl.DataFrame, gone: Collection[str]) -> pl.DataFrame:
    """The rows that a part is over, by role and concept; gone: the erased concepts, spelt alike."""
    import polars as pl

    rows = scores.filter(pl.col("role").is_in(list(SETS[part.role])))
    if part.named is None or rows.is_empty():
        return rows
    named = [concept for concept in rows["concept"].unique().to_list() if (spelt(concept) in gone) == part.named]
    return rows.filter(pl.col("concept").is_in(named))


def _arrays(rows: pl.DataFrame) -> tuple[Floats, Whole]:
    import pandas as pd

    prompts = pd.factorize(rows["prompt_id"].to_physical().to_numpy())[0]
    return rows["value"].to_numpy().astype(float), np.asarray(prompts, dtype=np.int64)
