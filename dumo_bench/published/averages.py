"""Which of our metrics a published one may be, and the summary's numbers of it, one candidate a setting and case."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dumo_bench.analysis import recognition
from dumo_bench.analysis.catalogue import Known, Pick
from dumo_bench.metrics import intervals
from dumo_bench.published import tables
from dumo_bench.published.numbers import Published
from dumo_bench.published.ours import SCALE, Ours, case, scaled
from dumo_bench.published.ours import partial as partial_of
from dumo_bench.published.tables import SETTING, Results
from dumo_bench.storage import table

if TYPE_CHECKING:
    import pandas as pd


class Way(NamedTuple):
    """Which of our metrics, on which roles, a published one is; embedded: also one of the package's own CLIP."""

    metric: Callable[[Known], bool]
    roles: tuple[str, ...]
    embedded: bool = False


_LPIPS, _CLIP = partial(Pick, ("lpips",), "distance"), partial(Pick, ("clip_score",), "fit")
_RIGHT = Pick(("clip_accuracy",), "asked", "rate")
_MACE, _MACE_GONE = Pick(("clip_accuracy_mace",), "asked"), partial(Pick, ("clip_accuracy_mace",), "erased")
_ERASED = Pick(("concept",), "erased", "rate")
_FID = Pick(("fid_clean", "fid_torchmetrics"), convention={"against": "real"})
_ALL, _TARGET, _KEPT = ("all",), ("target",), ("kept",)


#: a published metric (a pattern) -> ours, several where conventions differ
WAYS: tuple[tuple[str, Way], ...] = (
    ("LPIPS_da*", Way(_LPIPS(what="da"), _ALL)),
    ("LPIPS_e", Way(_LPIPS(), _TARGET)),
    ("LPIPS_u", Way(_LPIPS(), _KEPT)),
    ("H_o", Way(Pick(what="h_o"), _ALL)),
    ("H_c", Way(Pick(what="h_c"), _ALL)),
    ("H_a", Way(_CLIP(what="h_a", copies=None), _ALL)),
    ("Acc_[eE]", Way(_RIGHT, _TARGET)),
    ("Acc_[eE]", Way(_MACE_GONE(what="acc_e"), _TARGET)),
    ("Acc_g", Way(_MACE_GONE(what="acc_g"), _TARGET)),
    ("Acc_[suL]", Way(_RIGHT, _KEPT)),
    ("Acc_s", Way(_MACE, _KEPT)),
    ("accuracy of the erased class", Way(_RIGHT, _TARGET)),
    ("accuracy of the other classes", Way(_RIGHT, _KEPT)),
    ("CLIP", Way(_CLIP(copies=None), _KEPT)),
    ("CLIP, kept", Way(_CLIP(copies=None), _KEPT)),
    ("CLIP, erased", Way(_CLIP(copies=None), _TARGET)),
    ("CLIP_e", Way(_CLIP(copies=True), _TARGET)),
    ("CLIP_s", Way(_CLIP(copies=True), _KEPT)),
    ("FID*", Way(_FID, ("kept", "unrelated"))),
    ("ASR*", Way(_ERASED, ("attack",))),
    ("attack success*", Way(_ERASED, ("attack",))),
)
#: the small CLIP that this package ships, which no paper used
_EMBEDDED = {"clip": "emoji"}


def averaged(row: Published, found: Results) -> Iterator[Ours]:
    """The summary's numbers for a published one, under every metric of ours that may be meant."""
    for way in ways(row):
        yield from _of_way(row, way, found)


def ways(row: Published) -> list[Way]:
    """Our metrics that a published one may be; METRIC@ROLE is exactly that one of ours."""
    name, at, role = row.metric.rpartition("@")
    if at:
        return [Way(lambda known: known.metric.name == name, (role,), embedded=True)]
    return [way for pattern, way in WAYS if row.fits(pattern)]


def _of_way(row: Published, way: Way, found: Results) -> Iterator[Ours]:
    """One number a setting and a case, or a setting where the published one is an average over cases."""
    rows = tables.of(found.summary, row, found)
    rows = rows[rows["role"].isin(way.roles) & rows["value"].notna() & ~rows["change"]]
    rows = rows[np.array([_fits(found.metrics.named(metric), way) for metric in rows["metric"]], dtype=bool)]
    apart = SETTING if row.is_average else ["case", *SETTING]
    for (metric, role, *_), group in rows.groupby(["metric", "role", "scorer", *apart]):
        said = f"{metric}, {role}{tables.setting(group, rows)}{_cases(row, group, found)}"
        detection_rate = recognition.weakest(
            recognition.detection_rate(one, found.detection_rates, found.metrics) for one in table.records(group)
        )
        one = replace(_mean(row, group, said), measured=f"{metric}, {role}", detection_rate=detection_rate)
        yield replace(one, partial=_is_partial(row, group, found))


def _fits(known: Known, way: Way) -> bool:
    return way.metric(known) and (way.embedded or not _EMBEDDED.items() <= known.metric.convention.items())


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


def _is_partial(row: Published, group: pd.DataFrame, found: Results) -> bool | None:
    """Whether pictures lack in a case, or cases in an average."""
    lacking = row.is_average and len(group) < found.cases.get(row.suite, 0)
    return lacking or partial_of(group["partial"])
