"""How many pictures two methods share: the pairs that a comparison is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, get_args

from dumo_bench.analysis import pairs
from dumo_bench.analysis.sides import Side
from dumo_bench.storage import table
from dumo_bench.types import Role

if TYPE_CHECKING:
    import pandas as pd


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
    for (suite, version, of, name), rows in table.groups(every, [*pairs.CASE, "metric"]):
        if name in asked and fnmatchcase(of, case):
            counts = (int(rows["a"].sum()), int(rows["b"].sum()), int(rows["both"].sum()))
            found.setdefault(((suite, version, of), counts), []).append(name)
    return [
        Overlap(*about, tuple(names), *counts, whole=(sizes or {}).get(about[:2]))
        for (about, counts), names in found.items()
    ]


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
