"""Which of our metrics a published one may be, and the summary's numbers of it, one candidate a setting and case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dumo_bench.analysis import recognition, summary
from dumo_bench.metrics import intervals
from dumo_bench.published import tables
from dumo_bench.published.numbers import Published
from dumo_bench.published.ours import SCALE, Ours, case, partial, scaled
from dumo_bench.published.tables import SETTING, Results
from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd


class Way(NamedTuple):
    """Which of our metrics, on which roles, a published one is."""

    metric: str
    roles: tuple[str, ...]


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
    ("FID*", tuple(Way(f"fid.{how}.real", ("kept", "unrelated")) for how in ("clean", "torchmetrics"))),
    ("ASR*", (Way("judge.erased", ("attack",)),)),
    ("attack success*", (Way("judge.erased", ("attack",)),)),
)
#: numbers of the small CLIP that this package ships, which no paper used
_EMBEDDED = "clip.emoji.*"


def averaged(row: Published, found: Results) -> Iterator[Ours]:
    """The summary's numbers for a published one, under every metric of ours that may be meant."""
    for pattern, ways in WAYS:
        if row.fits(pattern):
            for way in ways:
                yield from _of_way(row, way, found)


def _of_way(row: Published, way: Way, found: Results) -> Iterator[Ours]:
    """One number a setting and a case, or a setting where the published one is an average over cases."""
    rows = tables.of(found.summary, row)
    rows = rows[rows["role"].isin(way.roles) & rows["value"].notna()]
    rows = rows[np.array([_fits(metric, way) for metric in rows["metric"]], dtype=bool)]
    apart = SETTING if row.is_average else ["case", *SETTING]
    for (metric, role, *_), group in rows.groupby(["metric", "role", "scorer", *apart]):
        said = f"{metric}, {role}{tables.setting(group, rows)}{_cases(row, group, found)}"
        card = recognition.weakest(recognition.card(one, found.cards) for one in table.records(group))
        yield replace(_mean(row, group, said), partial=_partial(row, group, found), card=card)


def _fits(metric: str, way: Way) -> bool:
    return (
        fnmatchcase(metric, way.metric) and not metric.endswith(summary.CHANGE) and not fnmatchcase(metric, _EMBEDDED)
    )


def _mean(row: Published, group: pd.DataFrame, said: str) -> Ours:
    """The mean over the cases of one setting; with an interval if it is one case."""
    times = SCALE.get(row.unit, 1.0)
    ends = intervals.Interval(None, None, "")
    if len(group) == 1:
        (only,) = table.records(group[["low", "high"]])
        ends = intervals.Interval(only["low"], only["high"], "")
    n = group["n"].min() if row.of_sets else group["n"].sum()
    return Ours(float(group["value"].mean()) * times, *scaled(ends, times), int(n), said)


def _cases(row: Published, group: pd.DataFrame, found: Results) -> str:
    """Of which case a number is, where the published one does not say; of how many, if it is an average."""
    if not row.is_average:
        return case(row, group["case"].iloc[0])
    known = found.cases.get(row.suite)
    return f", mean of {len(group)}{f' of {known}' if known else ''} cases"


def _partial(row: Published, group: pd.DataFrame, found: Results) -> bool | None:
    """Whether pictures lack in a case, or cases in an average."""
    lacking = row.is_average and len(group) < found.cases.get(row.suite, 0)
    return lacking or partial(group["partial"])
