"""How far two methods differ on the same prompts and noise, and whether significantly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dumo_bench.analysis import derived, pairs
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.pairs import Key, Measured
from dumo_bench.analysis.recognition import DetectionRate
from dumo_bench.metrics import paired, power
from dumo_bench.storage import scan, table

if TYPE_CHECKING:
    import pandas as pd

    from dumo_bench.metrics.intervals import Whole
    from dumo_bench.metrics.paired import Paired, Resampled

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """a - b of one metric on one role; `q` is p after Benjamini and Hochberg over the `family` tests of a comparison.

    p is None where nothing can be resampled (numbers of whole sets). `needed`: the number of pictures at which such a
    difference is significant with 80 % power. `copy_of`: the metric that this is in another unit. `detection_rate`: on
    unedited pictures; None: it needs none. `unedited`: the unedited model's rate; None: it is no
    rate.
    """

    suite: str
    suite_version: int
    case: str
    role: str
    metric: str
    higher: bool | None
    a: float | None
    b: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int
    n_missing: int
    won: int
    lost: int
    needed: int | None
    how: str
    copy_of: str = ""
    q: float | None = None
    family: int = 0
    detection_rate: DetectionRate | None = None
    unedited: DetectionRate | None = None

    @property
    def difference(self) -> float | None:
        return None if self.a is None or self.b is None else self.a - self.b

    @property
    def separable(self) -> bool:
        return self.q is not None and self.q < LEVEL

    @property
    def unreliable(self) -> bool:
        """Whether it says nothing, since the scorer hardly recognises the thing before any edit."""
        return self.detection_rate is not None and self.detection_rate.valid is False and self.difference is not None


def differences(a: pd.DataFrame, b: pd.DataFrame, metrics: Catalogue) -> list[Difference]:
    """Every metric on every role, and every number made of several, of the pictures that both scores have.

    A metric that is part of another is not tested for itself.
    """
    parts = [name for name, known in metrics.by_name.items() if known.metric.part_of]
    both = pairs.joined(*(scan.of_frame(one[~one["metric"].isin(parts)], pairs.COLUMNS) for one in (a, b)))
    erased = derived.erased(a) | derived.erased(b)
    (found,) = of_pairs([[*pairs.pictures(both), *pairs.numbers(both, metrics.numbers, erased)]])
    return [replace(d, copy_of=metrics.named(d.metric).metric.copy_of) for d in found]


def corrected(groups: Sequence[Sequence[Difference]]) -> list[list[Difference]]:
    """With q, over all that were tested in all groups; one number in several units is one test and has one q."""
    tests = {(i, *_test(d)): d.p for i, group in enumerate(groups) for d in reversed(group) if d.p is not None}
    q = dict(zip(tests, paired.discoveries(list(tests.values())), strict=True))
    return [
        [d if d.p is None else replace(d, q=q[i, *_test(d)], family=len(tests)) for d in group]
        for i, group in enumerate(groups)
    ]


def significant(p: Sequence[float]) -> list[bool]:
    """Which of these tests are, corrected over all of them."""
    return [q < LEVEL for q in paired.discoveries(p)]


def _test(d: Difference) -> tuple[Any, ...]:
    """What a difference is a test of: the same for copies that differ by a factor."""
    return d.suite, d.suite_version, d.case, d.role, d.copy_of or d.metric


def of_pairs(sides: Iterable[Iterable[Measured]]) -> list[list[Difference]]:
    """The difference of everything that was measured on each two sides, of which one is in memory at a time."""
    told: list[list[tuple[Difference, Sequence[Whole], bool]]] = []
    means: list[paired.Summed] = []
    numbers: list[tuple[paired.Exchanged, Resampled]] = []
    for side in sides:
        told.append([])
        for one in side:
            told[-1].append((_seen(one), [clusters for *_, clusters in one.parts], one.number is not None))
            if one.parts and one.number:
                found = paired.resampled(one.number.f, one.parts, rates=one.number.rates)
                numbers.append((paired.exchanged(one.number.f, one.parts), found))
            elif one.parts:
                means.append(paired.summed(*one.parts[0]))
    of_means, of_numbers = iter(paired.compare_all(means)), iter(paired.of_numbers_all(numbers))

    def tested(seen: Difference, parts: Sequence[Whole], number: bool) -> Difference:
        if not parts:
            return seen
        return _of_number(seen, parts, next(of_numbers)) if number else _of_mean(seen, next(of_means))

    return [[tested(*one) for one in side] for side in told]


def p_values(sides: Iterable[Iterable[Measured]]) -> list[dict[Key, float]]:
    """p of each of these differences that was measured, where nothing else of them is asked for."""
    told: list[list[tuple[Key, bool]]] = []
    means: list[paired.Summed] = []
    numbers: list[paired.Exchanged] = []
    for side in sides:
        told.append([])
        for one in (one for one in side if one.parts):
            told[-1].append((one.key, one.number is not None))
            if one.number:
                numbers.append(paired.exchanged(one.number.f, one.parts))
            else:
                means.append(paired.summed(*one.parts[0]))
    of_means, of_numbers = iter(paired.p_all(means)), iter(paired.exchange_all(numbers))
    return [{key: next(of_numbers if number else of_means) for key, number in side} for side in told]


def _seen(one: Measured) -> Difference:
    """What is seen without a test."""
    f = one.number.f if one.number else float
    a, b = (float(f(*(part[side].mean() for part in one.parts))) if one.parts else None for side in (0, 1))
    how = "" if one.parts else f"no picture{' of a part' if one.number else ''} was measured on both"
    higher = True if one.number and one.parts else None
    return Difference(
        *one.about, higher, a, b, None, None, None, n=one.n, n_missing=one.missing, won=0, lost=0, needed=None, how=how
    )


def _of_mean(seen: Difference, found: Paired) -> Difference:
    (low, high, _), p, how = found.interval, found.p, found.how
    return replace(seen, low=low, high=high, p=p, won=found.won, lost=found.lost, needed=found.needed, how=how)


def _of_number(seen: Difference, parts: Sequence[Whole], found: Resampled) -> Difference:
    """parts: of each of its means the prompt of every picture."""
    assert seen.difference is not None
    sizes = [(len(prompts), len(set(prompts.tolist()))) for prompts in parts]
    wanted = power.numbers_needed(seen.difference, found.error, sizes)
    how = "a and b exchanged by prompts"
    return replace(seen, low=found.low, high=found.high, p=found.p, needed=wanted, how=how)


def _mean_of_sets(rows: pd.DataFrame, key: list[str], columns: list[str]) -> pd.DataFrame:
    """The mean over fits; null where one of them is, or where a fit of the case lacks what another has."""
    groups = rows.groupby(key, sort=True)[columns]
    fits = rows.groupby([*pairs.CASE, "metric"])["fit_seed"].transform("nunique")
    every = fits.groupby([rows[k] for k in key]).first()
    return groups.mean().where(groups.count().eq(every, axis=0))


def of_sets(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Difference]:
    """Numbers of whole sets; of what is missing, the larger count of the two sides."""
    key = [*pairs.CASE, "role", "scorer", "scorer_version", "metric"]
    once = [_mean_of_sets(one, key, ["value", "n", "n_missing"]) for one in (a, b)]
    both = once[0].add_suffix("_a").join(once[1].add_suffix("_b"), how="inner").reset_index()
    for row in table.records(both):
        n, missing = ([row[f"{name}_{side}"] for side in "ab"] for name in ("n", "n_missing"))
        whole = None not in n and None not in missing
        alike = whole and n[0] == n[1]
        how = (
            f"of {n[0]:.0f} and {n[1]:.0f} pictures: no pair" if whole else "a fit of one side has no such set: no pair"
        )
        yield Difference(
            row["suite"], row["suite_version"], row["case"], row["role"], row["metric"], None,
            row["value_a"] if alike else None, row["value_b"] if alike else None, None, None, None,
            n=int(min(n)) if whole else 0, n_missing=int(max(missing)) if whole else 0,
            won=0, lost=0, needed=None, how="a number of the whole set" if alike else how,
        )  # fmt: skip
