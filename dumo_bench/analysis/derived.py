"""Which numbers are made of other numbers, from which scores, and with what interval. Formulas: metrics/derived.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench.metrics import derived, intervals
from dumo_bench.types import SETS, Suite, canonical

if TYPE_CHECKING:
    import pandas as pd

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
    """A number f(part, part, ...) called `name`; * in it and in its parts is what the * of the first part matched.

    f takes arrays as it takes numbers. `rates`: its parts are shares of pictures.
    """

    name: str
    f: Callable[..., Any]
    parts: tuple[Part, ...]
    formula: str
    role: str = ALL
    rates: bool = True
    higher_is_better: bool = True


def _of_targets(erased: str) -> tuple[Number, ...]:
    """What one scorer's rate of `erased` concepts on targets comes to: UA of all, Acc_e and Acc_g of their parts."""
    of = partial(Part, erased, "target")
    return (
        Number(f"{erased}.ua", derived.ua, (of(),), "1 - shown", role="target"),
        Number(f"{erased}.acc_e", derived.acc, (of(named=True),), "shown, by name", "target", higher_is_better=False),
        Number(
            f"{erased}.acc_g",
            derived.acc,
            (of(named=False),),
            "shown, in other words",
            "target",
            higher_is_better=False,
        ),
    )


def _harmonic(erased: str, right: str) -> tuple[Number, ...]:
    """H_c and H_o of one scorer: its rate of `erased` concepts on targets, of what is `right` on kept prompts."""
    gone, kept = Part(erased, "target"), Part(right, "kept")
    named, meant = (Part(erased, "target", named=named) for named in (True, False))
    return (
        Number(f"{right}.h_c", derived.h_c, (gone, kept), "2 / (1/UA + 1/Acc_s)"),
        Number(
            f"{right}.h_o",
            derived.h_o,
            (named, kept, meant),
            "3 / (1/(1 - Acc_e) + 1/Acc_s + 1/(1 - Acc_g))",
        ),
    )


NUMBERS: tuple[Number, ...] = (
    *(number for erased in ("judge.erased", "clip.*.erased", "style.*.erased") for number in _of_targets(erased)),
    *_harmonic("judge.erased", "judge.object"),
    *_harmonic("judge.erased", "judge.style"),
    *_harmonic("clip.*.erased", "clip.*.accuracy"),
    *_harmonic("style.*.erased", "style.*.right"),
    *(
        Number(f"{clip}.h_a", derived.h_a, (Part(clip, "kept"), Part(clip, "target")), "CLIP_s - CLIP_e", rates=False)
        for clip in ("clip.*.cosine", "clip.*.x100", "clip.*.logit")
    ),
    Number(
        "lpips*.da",
        derived.lpips_da,
        (Part("lpips*", "target"), Part("lpips*", "kept")),
        "LPIPS_e - LPIPS_u",
        rates=False,
    ),
)


def formula(metric: str) -> str:
    """How a derived metric is made; "" for one that is measured."""
    number, _ = _called(metric)
    return number.formula if number else ""


def made_of(metric: str) -> list[Part]:
    """The parts of a derived metric; none for one that is measured."""
    number, star = _called(metric)
    return [part._replace(metric=part.metric.replace("*", star)) for part in number.parts] if number else []


def erased(scores: pd.DataFrame, suites: Iterable[Suite] = ()) -> Erased:
    """What each case erases, as the suites and the rows of its erasers say: those of the unedited model do not."""
    known = {(suite.name, suite.version, case.name): canonical(case.erase) for suite in suites for case in suite.cases}
    told = scores.loc[scores["erase"] != "[]", [*_CASE, "erase"]].drop_duplicates(_CASE)
    return known | {tuple(key): erase for *key, erase in told.itertuples(index=False, name=None)}


def with_erased(scores: pd.DataFrame, known: Erased) -> pd.DataFrame:
    """The scores with what their case erases in every row."""
    cases = scores[_CASE].itertuples(index=False, name=None)
    return scores.assign(erase=[known.get(case, "[]") for case in cases])


def parts(scores: pd.DataFrame) -> Iterator[tuple[Number, str, list[pd.DataFrame]]]:
    """Every number that scores of one case and method have the parts of: itself, its metric, the rows of its parts."""
    for number in NUMBERS:
        first = number.parts[0].metric
        stars = (_star(first, metric) for metric in sorted(scores["metric"].unique()))
        for star in (one for one in stars if one is not None):
            chosen = [_chosen(part, part.metric.replace("*", star), scores) for part in number.parts]
            if not any(rows.empty for rows in chosen):
                yield number, number.name.replace("*", star), chosen


def asked(metrics: Iterable[str], pattern: str) -> set[str]:
    """Of metrics that are measured those that a pattern names, and the parts of derived ones that it names."""
    there = set(metrics)
    found = {metric for metric in there if fnmatchcase(metric, pattern)}
    for number in NUMBERS:
        stars = {_star(part.metric, metric) for part in number.parts for metric in there} - {None}
        named = {number.name.replace("*", star or "") for star in stars}
        found |= {part.metric for name in named if fnmatchcase(name, pattern) for part in made_of(name)}
    return found & there


def _called(metric: str) -> tuple[Number | None, str]:
    """The number that a metric is, and what its * stands for; None and "" for one that is measured."""
    found = ((number, _star(number.name, metric)) for number in NUMBERS)
    return next(((number, star) for number, star in found if star is not None), (None, ""))


def _star(pattern: str, text: str) -> str | None:
    """What the * of a pattern stands for in a text: "" where it has none; None where they do not fit."""
    found = re.fullmatch(re.escape(pattern).replace(r"\*", "(.*)"), text)
    return "".join(found.groups()) if found else None


def rows(scores: pd.DataFrame, group: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every number of every group of scores for which all parts were tried, as rows of the summary's estimates."""
    for _, one in scores.groupby(list(group), sort=True):
        about = {name: one[name].iloc[0] for name in group}
        for number, metric, chosen in parts(one):
            yield about | {"metric": metric, "role": number.role, "concept": "*"} | _estimate(number, chosen)


def _estimate(number: Number, chosen: Sequence[pd.DataFrame]) -> dict[str, Any]:
    """The number from the rows of its parts; null where a part has no measured one."""
    n = sum(int(rows["value"].notna().sum()) for rows in chosen)
    missing = sum(map(len, chosen)) - n
    found = {
        "scorer": chosen[0]["scorer"].iloc[0],
        "n": n,
        "n_missing": missing,
        "note": f"{missing} missing in its parts" if missing else "",
        "higher_is_better": number.higher_is_better,
    }
    measured = [_arrays(rows.dropna(subset="value")) for rows in chosen]
    if any(len(values) == 0 for values, _ in measured):
        return found | {"value": None, "low": None, "high": None, "how": f"{number.formula}; a part was not measured"}
    interval = intervals.of_function(number.f, measured, yes_no=number.rates)
    value = float(number.f(*(values.mean() for values, _ in measured)))
    return found | {"value": value} | interval._asdict() | {"how": f"{number.formula}; {interval.how}"}


def _chosen(part: Part, metric: str, scores: pd.DataFrame) -> pd.DataFrame:
    rows = scores[(scores["metric"] == metric) & scores["role"].isin(SETS[part.role])]
    if part.named is None or rows.empty:
        return rows
    erased = json.loads(rows["erase"].iloc[0])
    return rows[rows["concept"].isin(erased) == part.named]


def _arrays(rows: pd.DataFrame) -> tuple[Floats, Whole]:
    import pandas as pd

    return rows["value"].to_numpy(dtype=float), np.asarray(pd.factorize(rows["prompt_id"])[0], dtype=np.int64)
