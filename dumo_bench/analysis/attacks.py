"""What attacks bring back: success over several seeds a prompt, beside the same attack on the unedited model and the
plain prompts under fresh noise at an equal budget.

A suite that an attack wrote has its prompts (role attack) and, where they are known, the prompts that they were made
from (role target), with as many more pictures as the search cost; ids say which belongs to which.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dumo_bench.analysis import results
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.errors import unknown
from dumo_bench.metrics import intervals, power
from dumo_bench.types import ATTACKED, Recipe, Search, Suite

if TYPE_CHECKING:
    import polars as pl

    from dumo_bench.metrics.intervals import Floats

_VARIANT = ["method", "method_version", "params", "fit_seed", "model"]
COLUMNS = ["suite", "suite_version", "case", *_VARIANT, "role", "prompt_id", "seed", "draw", "metric", "value"]


class Share(NamedTuple):
    """A share with its 95 % interval, of so many prompts and pictures."""

    value: float
    low: float | None
    high: float | None
    prompts: int
    pictures: int


@dataclass(frozen=True, slots=True)
class Success:
    """How often one attack brings the concept back from one method.

    attacked: the share of the attack's pictures that show it; plain: of the plain prompts'. Of prompts, the share with
    at least one such picture: ever, of the attack's, and ever_plain, whose pictures cost what search and pictures cost
    together; gain: ever minus ever_plain. more: attacked minus plain, the mean over prompts. unedited: `attacked` of
    the unedited model, for which the attack was searched again where it sees the model (`again`), else under the same
    prompts; control: of a method that the user says is one, the same way; everywhere: whether it is `significant` there
    too. None: not measured.
    """

    suite: str
    case: str
    search: Search
    metric: str
    recipe: Recipe
    attacked: Share
    ever: Share
    plain: Share | None
    ever_plain: Share | None
    gain: Share | None
    more: Share | None
    unedited: Share | None = None
    again: bool = False
    control: Share | None = None
    everywhere: bool | None = None

    @property
    def method(self) -> str:
        return self.recipe.method

    @property
    def own(self) -> bool:
        """Whether what it was searched on, an edit or the unedited model, is what it was tried on."""
        return self.search.edit == ("" if self.method == REFERENCE else self.recipe.key)

    @property
    def better(self) -> bool | None:
        """Whether it beats fresh noise at an equal budget; where both reach every prompt, the share of pictures
        decides. None: there are no plain prompts."""
        return None if self._over is None else self._over.value > 0

    @property
    def significant(self) -> bool | None:
        """Whether it is `better` by more than resampling its prompts explains: a difference whose interval lies above
        0, or on which all prompts agree, of as many prompts as an exact test of signs needs."""
        over = self._over
        if over is None:
            return None
        return over.value > 0 and over.prompts >= power.FEWEST and (over.low is None or over.low > 0)

    @property
    def _over(self) -> Share | None:
        """By how much it beats fresh noise."""
        if self.gain is None or self.more is None or self.ever_plain is None:
            return None
        return self.more if self.ever.value == self.ever_plain.value == 1 else self.gain


def of_folder(out: Path, known: Catalogue, suites: Iterable[Suite], control: str = "") -> list[Success]:
    """Every success that a results folder tells, of suites that attacks wrote; `known` are its metrics.

    control: the method that never learnt the concept, or never could lose it; one that was not attacked is a UserError.
    """
    import polars as pl

    written = {suite.name: suite for suite in suites if suite.search}
    if not written:
        return []
    scores = results.columns(out, COLUMNS).filter(pl.col("suite").cast(pl.String).is_in(list(written)))
    scores = scores.with_columns(pl.col(pl.Categorical).cast(pl.String))
    found: list[Success] = []
    for suite in written.values():
        mine = scores.filter(pl.col("suite") == suite.name)
        for key, rows in mine.group_by("case", "metric", *_VARIANT, maintain_order=True):
            case, metric = str(key[0]), known.named(str(key[1])).metric
            if metric.measures == "erased" and metric.kind == "rate":
                found += _success(suite, case, str(key[1]), _recipe(suite, case, key[2:]), rows)
    methods = {one.method for one in found}
    if control and control not in methods:
        raise unknown("the control of attacks", control, methods)
    return [_beside(one, found, control) for one in found]


def failed(found: Sequence[Success]) -> dict[tuple[Search, str], bool]:
    """Of each attack, by what is the same of its searches, and metric: whether it never beats fresh noise at an equal
    budget where something is erased."""
    every: dict[tuple[Search, str], bool] = {}
    for one in found:
        if one.method != REFERENCE and one.better is not None:
            key = (alike(one.search), one.metric)
            every[key] = every.get(key, True) and not one.better
    return every


def alike(search: Search) -> Search:
    """A search without what depends on the edit: equal ones are of the same attack."""
    return replace(search, method="", edit="", texts=0, forwards=0, seconds=0.0)


def _recipe(suite: Suite, case: str, variant: Sequence[Any]) -> Recipe:
    """Of which edit rows are, whose key a suite names that was searched on it. variant: the values of `_VARIANT`."""
    method, version, params, fit_seed, model = variant
    erase = () if method == REFERENCE else next((one.erase for one in suite.cases if one.name == case), ())
    return Recipe(method, version, json.loads(params), erase, fit_seed, model)


def _success(suite: Suite, case: str, metric: str, recipe: Recipe, rows: pl.DataFrame) -> Iterator[Success]:
    attack, plain = (_by_prompt(suite, rows, role) for role in ("attack", "target"))
    mine = list(attack.values())
    if not mine or suite.search is None:
        return
    pairs = [(a, plain[of]) for key, a in attack.items() if (of := key.removesuffix(ATTACKED)) in plain]
    gain = [np.array([a.max() - b.max()]) for a, b in pairs]
    more = [np.array([a.mean() - b.mean()]) for a, b in pairs]
    yield Success(
        suite=suite.name,
        case=case,
        search=suite.search,
        metric=metric,
        recipe=recipe,
        attacked=_share(mine),
        ever=_share([values.max(keepdims=True) for values in mine], mine),
        plain=_share([b for _, b in pairs]) if pairs else None,
        ever_plain=_share([b.max(keepdims=True) for _, b in pairs], [b for _, b in pairs]) if pairs else None,
        gain=_share(gain, mine, yes_no=False) if pairs else None,
        more=_share(more, mine, yes_no=False) if pairs else None,
    )


def _by_prompt(suite: Suite, rows: pl.DataFrame, role: str) -> dict[str, Floats]:
    """The measured values of each prompt of a role by its id, in the suite's order, where there are some."""
    import polars as pl

    of = rows.filter((pl.col("role") == role) & pl.col("value").is_not_null())
    by_id = {str(key): one["value"].to_numpy().astype(np.float64) for (key,), one in of.group_by("prompt_id")}
    return {prompt.id: by_id[prompt.id] for prompt in suite.prompts if prompt.role == role and prompt.id in by_id}


def _share(values: Sequence[Floats], of: Sequence[Floats] | None = None, *, yes_no: bool = True) -> Share:
    """The mean of values by prompt, with an interval that resamples prompts. of: the pictures that they are made of."""
    flat = np.concatenate(values)
    clusters = np.repeat(np.arange(len(values)), [len(one) for one in values])
    low, high, _ = intervals.of_mean(flat, clusters, yes_no=yes_no)
    return Share(float(flat.mean()), low, high, len(values), sum(map(len, of if of is not None else values)))


def _beside(one: Success, among: Sequence[Success], control: str) -> Success:
    """With the same attack on the unedited model, and on the control, beside."""
    unedited, bound = _same(one, among, REFERENCE), _same(one, among, control)
    again = unedited is not None and bool(one.search.edit) and not unedited.search.edit
    return replace(
        one,
        unedited=unedited.attacked if unedited else None,
        again=again,
        control=bound.attacked if bound else None,
        everywhere=bound.significant if bound else None,
    )


def _same(one: Success, among: Sequence[Success], method: str) -> Success | None:
    """The same attack on a method: searched again for it where it sees the model, else under the same prompts."""
    of = [other for other in among if (other.method, other.case, other.metric) == (method, one.case, one.metric)]
    again = [other for other in of if other.own and alike(other.search) == alike(one.search)]
    same = [other for other in of if other.suite == one.suite and other.recipe.model == one.recipe.model]
    found = [*again, *same] if one.search.edit else same
    return found[0] if found else None
