"""Methods on the same prompts and noise: effect size, interval, p-value, and the sample size needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np

from dumo_bench.analysis import differences, kinds, recognition, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.differences import Difference
from dumo_bench.analysis.kinds import Kinds
from dumo_bench.analysis.sides import Side, refuse_contracts
from dumo_bench.errors import UserError, unknown
from dumo_bench.metrics import power
from dumo_bench.storage import table


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
    for (suite, _, of, role, name), rows in table.groups(shown, ["suite", "suite_version", "case", "role", "metric"]):
        wide = rows.pivot_table("value", ["prompt_id", "seed", "draw"], "fit_seed").dropna()
        if wide.shape[1] < 2 or len(wide) < 2 or not fnmatchcase(of, case):
            continue
        prompts = pd.factorize(wide.index.get_level_values("prompt_id"))[0]
        split = power.spread(wide.to_numpy(dtype=float).T, np.asarray(prompts, dtype=np.int64))
        counted = {"fits": wide.shape[1], "n": len(wide)}
        found.append(Seeds(one.label, suite, of, role, name, **counted, fit=split.fit, generation=split.generation))
    return found
