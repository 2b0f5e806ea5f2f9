"""Tests of paired values: two methods, the same prompts and noise.

McNemar's exact test for yes/no (McNemar, Psychometrika 12 (1947), 153); for the rest a and b change places at random,
prompt by prompt, which turns the signs of plain differences (Fisher, The Design of Experiments, 1935, section 21);
Benjamini-Hochberg over many (J. R. Statist. Soc. B 57 (1995), 289).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dumo_bench.metrics import intervals, power
from dumo_bench.metrics.intervals import EQUAL, Floats, Interval, Whole
from dumo_bench.metrics.permutations import changes

Part: TypeAlias = tuple[Floats, Floats, Whole]  # a, b and clusters
Parts: TypeAlias = Sequence[Part]  # of each mean that a number is made of
Number: TypeAlias = tuple[Callable[..., Any], Parts, bool]  # f of the means of parts; whether these are rates


class Paired(NamedTuple):
    """The mean of a - b with its interval and p; `won` and `lost` pictures are those where a is above and below b.

    `needed`: how many pictures make such a difference significant with 80 % power, by the test that p is of.
    """

    difference: float
    interval: Interval
    p: float
    how: str
    won: int
    lost: int
    needed: int | None


def compare(a: Floats, b: Floats, clusters: Whole) -> Paired:
    """a against b, both (n,) with n at least 1; clusters (n,) number the prompts from 0 without gaps.

    Yes/no values of one picture a prompt get McNemar's test. Draws of one prompt resemble one another, so where
    prompts have several pictures the signs of whole prompts are drawn; on yes/no values of one picture a prompt that
    test is McNemar's.
    """
    return compare_all([(a, b, clusters)])[0]


def compare_all(tests: Sequence[Part]) -> list[Paired]:
    """`compare` of each; those of equally many prompts share their resamples and their signs."""
    differences = [(a - b, clusters) for a, b, clusters in tests]
    ends = intervals.of_means([intervals.grouped(*one) for one in differences], [False] * len(tests))
    every = zip(differences, ends, p_all(tests), map(_exact, tests), strict=True)
    return [_paired(d, clusters, interval, p, exact) for (d, clusters), interval, p, exact in every]


def p_all(tests: Sequence[Part]) -> list[float]:
    """p of `compare` of each, where nothing else of it is asked for."""
    exact = [_exact(one) for one in tests]
    drawn = iter(
        signs_all([(a - b, clusters) for (a, b, clusters), alone in zip(tests, exact, strict=True) if not alone])
    )
    return [mcnemar(*_counts(a - b)) if alone else next(drawn) for (a, b, _), alone in zip(tests, exact, strict=True)]


def _exact(test: Part) -> bool:
    """Whether it is one of yes/no values of one picture a prompt."""
    a, b, clusters = test
    return _yes_no(a) and _yes_no(b) and len(a) == int(clusters.max()) + 1


def _yes_no(x: Floats) -> bool:
    return bool(np.isin(x, (0, 1)).all())


def _counts(d: Floats) -> tuple[int, int]:
    return int((d > 0).sum()), int((d < 0).sum())


def _paired(d: Floats, clusters: Whole, interval: Interval, p: float, exact: bool) -> Paired:
    won, lost = _counts(d)
    wanted = power.yes_no_needed(won, lost, len(d)) if exact else power.pictures_needed(d, clusters)
    return Paired(float(d.mean()), interval, p, "McNemar, exact" if exact else "signs of prompts", won, lost, wanted)


class Resampled(NamedTuple):
    """A difference of two numbers: its interval, p and standard error; None where resamples tell no spread."""

    low: float | None
    high: float | None
    p: float
    error: float | None


def of_numbers(f: Callable[..., Any], parts: Parts, *, rates: bool) -> Resampled:
    """f(means of a) - f(means of b), for parts (a, b, clusters): p by `exchange`, the interval by `intervals.drawn`.

    Clusters number the prompts of all parts together. Pairs are resampled together; a rate without spread is drawn from
    its posterior on either side.
    """
    return of_numbers_all([(f, parts, rates)])[0]


def of_numbers_all(tests: Sequence[Number]) -> list[Resampled]:
    """`of_numbers` of each (f, parts, rates)."""
    every = exchange_all([(f, parts) for f, parts, _ in tests])
    return [_resampled(f, parts, rates, p) for (f, parts, rates), p in zip(tests, every, strict=True)]


def _resampled(f: Callable[..., Any], parts: Parts, rates: bool, p: float) -> Resampled:
    own = [np.unique(clusters, return_inverse=True)[1].astype(np.int64) for *_, clusters in parts]
    sides = [[a for a, *_ in parts], [b for _, b, _ in parts]]
    a, b = (intervals.drawn(f, list(zip(side, own, strict=True)), yes_no=rates) for side in sides)
    if a is None or b is None or not intervals.varies(a - b):
        return Resampled(None, None, p, None)
    low, high = intervals.percentile(a - b)
    seen = float(np.subtract(*(f(*(values.mean() for values in side)) for side in sides)))
    return Resampled(min(low, seen), max(high, seen), p, float((a - b).std(ddof=1)))


@lru_cache(maxsize=4096)
def mcnemar(won: int, lost: int) -> float:
    """The exact two-sided p that pictures which differ differ either way equally often; 1 where none differs."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def signs(d: Floats, clusters: Whole) -> float:
    """The two-sided p that the sums of d = a - b over clusters are as likely above 0 as below: `exchange` of means."""
    return signs_all([(d, clusters)])[0]


def signs_all(tests: Sequence[tuple[Floats, Whole]]) -> list[float]:
    """`signs` of each; those in which equally many prompts differ are multiplied with the same signs at once."""
    found = [1.0] * len(tests)
    together: dict[int, list[tuple[int, Floats, float]]] = {}
    for i, (d, clusters) in enumerate(tests):
        sums = np.bincount(clusters, weights=d)
        moved = np.abs(sums) > EQUAL
        together.setdefault(int(moved.sum()), []).append((i, sums[moved] / len(d), sums[~moved].sum() / len(d)))
    for m, same in together.items():
        moves, rest = np.stack([one for _, one, _ in same], axis=1), np.array([one for *_, one in same])
        apart = np.concatenate([np.abs(rest + _turned(changed) @ moves) for changed in changes(m, 0)])
        for (i, *_), p in zip(same, (apart >= apart[0] - EQUAL).mean(axis=0), strict=True):
            found[i] = float(p)
    return found


def _turned(changed: NDArray[np.bool_]) -> Floats:
    """-1 for prompts whose a and b change places, else 1."""
    signs = changed.astype(float)
    signs *= -2
    signs += 1
    return signs


def exchange(f: Callable[..., Any], parts: Parts, seed: int = 0) -> float:
    """The two-sided p that it is chance which of a prompt's values are called a and which b.

    How often f(means of a) - f(means of b) is as far from 0 as it is seen when a and b of whole prompts change places,
    in all parts (a, b, clusters) at once; clusters number the prompts of all parts together. Exact for up to 13 prompts
    that differ; else of 9999 such draws and the values as they are, so p is at least 1 / 10000.
    """
    return exchange_all([(f, parts)], seed)[0]


def exchange_all(tests: Sequence[tuple[Callable[..., Any], Parts]], seed: int = 0) -> list[float]:
    """`exchange` of each; in those in which equally many prompts differ the same prompts change places at once."""
    found = [1.0] * len(tests)
    together: dict[int, list[int]] = {}
    sums = [_sums(parts) for _, parts in tests]
    for i, one in enumerate(sums):
        together.setdefault(len(one.moves), []).append(i)
    for m, same in together.items():
        apart = _distances([tests[i][0] for i in same], [sums[i] for i in same], changes(m, seed))
        for i, p in zip(same, (apart >= apart[0] - EQUAL).mean(axis=0), strict=True):
            found[i] = float(p)
    return found


class _Sums(NamedTuple):
    """Of prompts that differ b - a, (m, parts); of all the sums of a and of b, and what they can be at least and at
    most, and how many values there are, (parts,) each."""

    moves: Floats
    a: Floats
    b: Floats
    least: Floats
    most: Floats
    n: Whole


def _sums(parts: Parts) -> _Sums:
    m = 1 + max(int(clusters.max()) for *_, clusters in parts)
    a, b = (np.array([np.bincount(part[2], weights=part[i], minlength=m) for part in parts]).T for i in (0, 1))
    moves = (b - a)[(np.abs(a - b) > EQUAL).any(1)]
    least, most = np.minimum(a, b).sum(0), np.maximum(a, b).sum(0)
    return _Sums(moves, a.sum(0), b.sum(0), least, most, np.array([len(clusters) for *_, clusters in parts]))


def _distances(
    of: Sequence[Callable[..., Any]], sums: Sequence[_Sums], drawn: Iterable[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """How far f of a's means and f of b's are apart in every draw, (draws, tests).

    No sum leaves what its prompts allow, by rounding: a rate of 1 is never more.
    """
    moves = np.hstack([one.moves for one in sums])
    cuts = np.cumsum([len(one.n) for one in sums])[:-1]
    found = []
    for changed in drawn:
        columns = []
        for f, one, moved in zip(of, sums, np.hsplit(changed.astype(float) @ moves, cuts), strict=True):
            ours, theirs = (np.clip(s, one.least, one.most) / one.n for s in (one.a + moved, one.b - moved))
            columns.append(np.abs(f(*ours.T) - f(*theirs.T)))
        found.append(np.stack(columns, axis=1))
    return np.concatenate(found)


def discoveries(p: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjusted p: of those called differences below 0.05, one in twenty is expected wrong."""
    every = np.array(p, dtype=float)
    order = np.argsort(every)
    scaled = every[order] * len(every) / np.arange(1, len(every) + 1)
    q = np.empty(len(every))
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q.tolist()
