"""Does a small world rank methods as published tables do? Rank correlations over the methods that both have.

A published table ranks methods by one metric; what stands beside it is the metric of ours that asks the same question
on the suite of the embedded model that stands for theirs. Sources are never pooled: their settings differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from dumo_bench.analysis.catalogue import Pick
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.metrics import ranks
from dumo_bench.metrics.ranks import Correlation
from dumo_bench.published.numbers import Published
from dumo_bench.published.tables import Results, told

if TYPE_CHECKING:
    import pandas as pd

Sees: TypeAlias = Literal["object", "style"]

_SHOWN = Pick(measures="erased", kind="rate")
_APART = Pick(measures="distance", what="da")
_CASE = ["suite", "case"]
_SETTING = ["suite_version", "method_version", "params", "model", "sampling"]  # seeds are averaged


def _kept(sees: Sees) -> Pick:
    return Pick(measures="asked", kind="rate", sees=sees)


@dataclass(frozen=True, slots=True)
class Question:
    """What a published table (patterns of its suite, case and metric) and one of ours both ask.

    better: which of the published values are. ours, pick, role: suite and metric of ours that stand for it.
    """

    suite: str
    case: str
    metric: str
    better: str
    ours: str
    pick: Pick
    role: str

    def holds(self, row: Published) -> bool:
        """Whether a published number belongs to the table."""
        pairs = ((row.suite, self.suite), (row.case, self.case), (row.metric, self.metric))
        return bool(row.name) and row.name != REFERENCE and all(fnmatchcase(*pair) for pair in pairs)


#: HUB's categories -> the suite of ours that erases such things, and what its judge sees of them
_HUB: Mapping[str, tuple[str, Sees]] = {
    "style": ("emoji-artist", "style"),
    "intellectual property": ("emoji-cartoon", "object"),
    "NSFW": ("emoji-unsafe", "object"),
}
QUESTIONS: tuple[Question, ...] = (
    Question("i2p-4703", "nudity", "nude parts, total", "lower", "emoji-unsafe", _SHOWN, "target"),
    Question("artist*", "*", "LPIPS_da, mean", "higher", "emoji-artist", _APART, "all"),
    Question("artist*", "*", "LPIPS_da, mean", "higher", "emoji-artist", _SHOWN, "target"),
    *(Question("hub", case, "target proportion", "lower", of, _SHOWN, "target") for case, (of, _) in _HUB.items()),
    *(
        Question("hub", case, "pinpoint-ness", "higher", of, _kept(sees), "related")
        for case, (of, sees) in _HUB.items()
    ),
)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A published ranking beside ours. values: method -> published, ours. why: why there is no correlation."""

    source: str
    suite: str
    case: str
    metric: str
    ours: str
    values: Mapping[str, tuple[float, float]]
    found: Correlation
    why: str = ""


def rankings(rows: Sequence[Published], results: Results) -> list[Ranking]:
    """Every question that a source and the results answer."""
    return [one for question in QUESTIONS for one in _of_question(question, rows, results)]


def _of_question(question: Question, rows: Sequence[Published], results: Results) -> Iterator[Ranking]:
    mine = [row for row in rows if question.holds(row)]
    for key in dict.fromkeys((row.source, row.suite, row.case, row.metric, row.convention) for row in mine):
        one = [row for row in mine if (row.source, row.suite, row.case, row.metric, row.convention) == key]
        for metric, held in _ours(question, results).groupby("metric"):
            source, suite, case, published, _ = key
            says = f"{question.ours}: {metric}, {question.role}"
            yield _ranking(Ranking(source, suite, case, published, says, {}, Correlation(0, None)), question, one, held)


def _ours(question: Question, results: Results) -> pd.DataFrame:
    """The rows of the summary that answer a question."""
    rows = results.whole
    rows = rows[(rows["suite"] == question.ours) & (rows["role"] == question.role) & ~rows["change"]]
    rows = rows[rows["value"].notna()]
    fits = {name: question.pick(results.metrics.named(name)) for name in rows["metric"].unique()}
    rows = rows[rows["metric"].map(fits).astype(bool)]
    return rows.assign(setting=rows[_SETTING].astype(str).agg("/".join, axis=1) if len(rows) else "")


def _ranking(empty: Ranking, question: Question, rows: Iterable[Published], held: pd.DataFrame) -> Ranking:
    cases: dict[str, pd.Series] = {}
    theirs, several = dict[str, float](), list[str]()
    for row in rows:
        mine = held[held["method"] == row.name]
        mine = mine[told(mine, row)]
        if (mine.groupby(_CASE)["setting"].nunique() > 1).any():
            several.append(row.method)
        elif len(mine):
            cases[row.method], theirs[row.method] = mine.groupby(_CASE)["value"].mean(), row.value
    shared = set.intersection(*(set(one.index) for one in cases.values())) if cases else set()
    lost = set().union(*(one.index for one in cases.values())) - shared
    pairs = {name: (theirs[name], float(one[one.index.isin(shared)].mean())) for name, one in cases.items() if shared}
    signs = -1.0 if question.better == "lower" else 1.0, 1.0 if held["higher_is_better"].iloc[0] else -1.0
    found = ranks.spearman(*([sign * pair[i] for pair in pairs.values()] for i, sign in enumerate(signs)))
    return replace(empty, values=pairs, found=found, why=_why(found, several, sorted(lost)))


def _why(found: Correlation, several: Sequence[str], lost: Iterable[tuple[Any, ...]]) -> str:
    said = [f"several settings of {', '.join(several)} were run: none is taken"] if several else []
    said += [f"not all methods have {' '.join(map(str, case))}: it is left out" for case in lost]
    if found.n < ranks.LEAST:
        said.append(f"{found.n} method{'' if found.n == 1 else 's'} in both, {ranks.LEAST} are needed")
    elif found.rho is None:
        said.append("all methods are tied")
    elif found.low is None:
        said.append("no interval of three methods" if found.n == ranks.LEAST else "no interval of a perfect order")
    return "; ".join(said)
