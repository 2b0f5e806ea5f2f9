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
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from dumo_bench.analysis import results, sides
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.errors import UserError, unknown
from dumo_bench.metrics import intervals, power
from dumo_bench.types import ATTACKED, Recipe, Search, Suite, canonical, digest

if TYPE_CHECKING:
    import polars as pl

    from dumo_bench.metrics.intervals import Floats

#: an attack, whichever edit it was searched on: its search, the case, the prompts and pictures of each, the metric
Question: TypeAlias = tuple[Search, str, str, tuple[int, ...], str]
_VARIANT = ["method", "method_version", "params", "fit_seed", "model", "sampling"]
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

    ever, ever_plain and gain are of prompts whose pictures are all measured, else budgets would not be equal; partly:
    how many were measured in part. sampling: the key of the contract; asked: of the prompts that were attacked; draws:
    how many pictures each prompt found is of.
    """

    suite: str
    case: str
    search: Search
    metric: str
    recipe: Recipe
    attacked: Share
    ever: Share | None
    plain: Share | None
    ever_plain: Share | None
    gain: Share | None
    more: Share | None
    unedited: Share | None = None
    again: bool = False
    control: Share | None = None
    everywhere: bool | None = None
    partly: int = 0
    sampling: str = ""
    asked: str = ""
    draws: tuple[int, ...] = ()

    @property
    def method(self) -> str:
        return self.recipe.method

    @property
    def attack(self) -> Question:
        """The attack, whichever edit it was searched on: equal ones are the same question to every method."""
        return alike(self.search), self.case, self.asked, self.draws, self.metric

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
        if self.gain is None or self.more is None or self.ever is None or self.ever_plain is None:
            return None
        return self.more if self.ever.value == self.ever_plain.value == 1 else self.gain


def of_folder(out: Path, known: Catalogue, suites: Iterable[Suite], control: str = "") -> list[Success]:
    """Every success that a results folder tells, of suites that attacks wrote; `known` are its metrics.

    control: the method that never learnt the concept, or never could lose it, `checkpoint:path=unseen` where there are
    several settings of it; one that was not attacked is a UserError.
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
                recipe = _recipe(suite, case, key[2:-1])
                found += _success(suite, case, str(key[1]), recipe, str(key[-1]), rows)
    bounds = _controls(control, found) if control else []
    return [_beside(one, found, bounds) for one in found]


def _controls(spec: str, found: Sequence[Success]) -> list[Success]:
    """What was measured of the control, which is to be one edit a case."""
    mine = [one for one in found if one.method == spec.partition(":")[0] and sides.is_of(one.recipe, sides.asked(spec))]
    if not mine:
        raise unknown("the control of attacks", spec, {one.method for one in found})
    for case in {one.case for one in mine}:
        several = {(one.recipe.version, canonical(one.recipe.params), one.recipe.fit_seed): one.recipe
                   for one in mine if one.case == case}  # fmt: skip
        if len(several) > 1:
            typed = sides.apart(mine[0].method, several.values())
            raise UserError(f"--control {spec} is there in {len(typed)} settings, name one: {', '.join(typed)}")
    return mine


def failed(found: Sequence[Success]) -> dict[Question, bool]:
    """Of each attack (`Success.attack`) whether it never beats fresh noise at an equal budget where something is
    erased."""
    every: dict[Question, bool] = {}
    for one in found:
        if one.method != REFERENCE and one.better is not None:
            every[one.attack] = every.get(one.attack, True) and not one.better
    return every


def alike(search: Search) -> Search:
    """A search without what depends on the edit: equal ones are of the same attack."""
    return replace(search, method="", edit="", texts=0, forwards=0, seconds=0.0)


def _recipe(suite: Suite, case: str, variant: Sequence[Any]) -> Recipe:
    """Of which edit rows are, whose key a suite names that was searched on it. variant: the first of `_VARIANT`."""
    method, version, params, fit_seed, model = variant
    erase = () if method == REFERENCE else next((one.erase for one in suite.cases if one.name == case), ())
    return Recipe(method, version, json.loads(params), erase, fit_seed, model)


def _success(
    suite: Suite, case: str, metric: str, recipe: Recipe, sampling: str, rows: pl.DataFrame
) -> Iterator[Success]:
    import polars as pl

    attack, plain = (_by_prompt(suite, rows, role) for role in ("attack", "target"))
    mine = list(attack.values())
    if not mine or suite.search is None:
        return
    wanted = {prompt.id: len(prompt.draws) for prompt in suite.prompts}
    whole = {key for of in (attack, plain) for key, values in of.items() if len(values) >= wanted[key]}
    pairs = {key: plain[of] for key in attack if (of := key.removesuffix(ATTACKED)) in plain}
    equal = [key for key in pairs if {key, key.removesuffix(ATTACKED)} <= whole]
    counted = [key for key in attack if key in whole]
    told = {prompt.id for prompt in suite.prompts if prompt.role == "target"}
    tried = set(map(str, rows.filter(pl.col("role") == "attack")["prompt_id"]))
    lacking = [key for key in tried if key not in (equal if key.removesuffix(ATTACKED) in told else whole)]
    yield Success(
        suite=suite.name,
        case=case,
        search=suite.search,
        metric=metric,
        recipe=recipe,
        attacked=_mean(mine),
        ever=_share([_any(attack[key]) for key in counted], [attack[key] for key in counted]),
        plain=_share(list(pairs.values())),
        ever_plain=_share([_any(pairs[key]) for key in equal], [pairs[key] for key in equal]),
        gain=_share([_any(attack[k]) - _any(pairs[k]) for k in equal], [attack[k] for k in equal], yes_no=False),
        more=_share(
            [np.array([attack[k].mean() - b.mean()]) for k, b in pairs.items()],
            [attack[k] for k in pairs],
            yes_no=False,
        ),
        partly=len(lacking),
        sampling=sampling,
        asked=_asked(suite),
        draws=tuple(sorted(len(prompt.draws) for prompt in suite.prompts if prompt.role == "attack")),
    )


def _any(values: Floats) -> Floats:
    """Whether one of a prompt's pictures shows it."""
    return np.asarray(values.max(keepdims=True))


def _asked(suite: Suite) -> str:
    """What was attacked: the plain prompts; where they are not known, those of the attack's own list."""
    plain = sorted((prompt.id, prompt.text) for prompt in suite.prompts if prompt.role == "target")
    return digest(plain or sorted(prompt.id for prompt in suite.prompts))[:16]


def _by_prompt(suite: Suite, rows: pl.DataFrame, role: str) -> dict[str, Floats]:
    """The measured values of each prompt of a role by its id, in the suite's order, where there are some."""
    import polars as pl

    of = rows.filter((pl.col("role") == role) & pl.col("value").is_not_null())
    by_id = {str(key): one["value"].to_numpy().astype(np.float64) for (key,), one in of.group_by("prompt_id")}
    return {prompt.id: by_id[prompt.id] for prompt in suite.prompts if prompt.role == role and prompt.id in by_id}


def _share(values: Sequence[Floats], of: Sequence[Floats] | None = None, *, yes_no: bool = True) -> Share | None:
    """`_mean`; None where there are no values."""
    return _mean(values, of, yes_no=yes_no) if values else None


def _mean(values: Sequence[Floats], of: Sequence[Floats] | None = None, *, yes_no: bool = True) -> Share:
    """The mean of values by prompt, with an interval that resamples prompts. of: the pictures that they are made of."""
    flat = np.concatenate(values)
    clusters = np.repeat(np.arange(len(values)), [len(one) for one in values])
    low, high, _ = intervals.of_mean(flat, clusters, yes_no=yes_no)
    return Share(float(flat.mean()), low, high, len(values), sum(map(len, of if of is not None else values)))


def _beside(one: Success, among: Sequence[Success], bounds: Sequence[Success]) -> Success:
    """With the same attack on the unedited model, and on the control, beside."""
    unedited = _same(one, [other for other in among if other.method == REFERENCE])
    bound = _same(one, bounds)
    again = unedited is not None and bool(one.search.edit) and not unedited.search.edit
    return replace(
        one,
        unedited=unedited.attacked if unedited else None,
        again=again,
        control=bound.attacked if bound else None,
        everywhere=bound.significant if bound else None,
    )


def _same(one: Success, of: Sequence[Success]) -> Success | None:
    """The same attack on a method: searched again for it where it sees the model, else under the same prompts."""
    of = [other for other in of if (other.case, other.metric) == (one.case, one.metric)]
    of = [other for other in of if (other.recipe.model, other.sampling) == (one.recipe.model, one.sampling)]
    again = [other for other in of if other.own and other.attack == one.attack]
    same = [other for other in of if other.suite == one.suite]
    found = [*again, *same] if one.search.edit else same
    return found[0] if found else None
