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
from dumo_bench.metrics.intervals import EQUAL, Floats, Grouped, Interval, Whole
from dumo_bench.metrics.permutations import changes

Part: TypeAlias = tuple[Floats, Floats, Whole]  # a, b and clusters
Parts: TypeAlias = Sequence[Part]  # of each mean that a number is made of


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


class Summed(NamedTuple):
    """What stays of a test of means until those of equally many prompts share their draws: a - b by prompt, how many
    pictures are above and below 0, and whether they are yes/no values of one picture a prompt."""

    values: Grouped
    won: int
    lost: int
    exact: bool


def summed(a: Floats, b: Floats, clusters: Whole) -> Summed:
    """A test of a against b, as in `compare`."""
    d = a - b
    exact = _yes_no(a) and _yes_no(b) and len(a) == int(clusters.max()) + 1
    return Summed(intervals.grouped(d, clusters), int((d > 0).sum()), int((d < 0).sum()), exact)


def compare(a: Floats, b: Floats, clusters: Whole) -> Paired:
    """a against b, both (n,) with n at least 1; clusters (n,) number the prompts from 0 without gaps.

    Yes/no values of one picture a prompt get McNemar's test. Draws of one prompt resemble one another, so where
    prompts have several pictures the signs of whole prompts are drawn; on yes/no values of one picture a prompt that
    test is McNemar's.
    """
    return compare_all([summed(a, b, clusters)])[0]


def compare_all(tests: Sequence[Summed]) -> list[Paired]:
    """`compare` of each; those of equally many prompts share their resamples and their signs."""
    ends = intervals.of_means([one.values for one in tests], [False] * len(tests))
    return [_paired(one, interval, p) for one, interval, p in zip(tests, ends, p_all(tests), strict=True)]


def _paired(test: Summed, interval: Interval, p: float) -> Paired:
    values, won, lost, exact = test
    wanted = power.yes_no_needed(won, lost, int(values.counts.sum())) if exact else power.needed_like(values)
    how = "McNemar, exact" if exact else "signs of prompts"
    return Paired(values.mean, interval, p, how, won, lost, wanted)


def p_all(tests: Sequence[Summed]) -> list[float]:
    """p of `compare` of each, where nothing else of it is asked for."""
    drawn = iter(signs_all([one.values for one in tests if not one.exact]))
    return [mcnemar(one.won, one.lost) if one.exact else next(drawn) for one in tests]


def _yes_no(x: Floats) -> bool:
    return bool(np.isin(x, (0, 1)).all())


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
    return of_numbers_all([(exchanged(f, parts), resampled(f, parts, rates=rates))])[0]


def of_numbers_all(tests: Sequence[tuple[Exchanged, Resampled]]) -> list[Resampled]:
    """`of_numbers` of each, from what stays of them."""
    every = exchange_all([one for one, _ in tests])
    return [found._replace(p=p) for (_, found), p in zip(tests, every, strict=True)]


def resampled(f: Callable[..., Any], parts: Parts, *, rates: bool) -> Resampled:
    """`of_numbers`, with a p of 1 in place of its own."""
    own = [np.unique(clusters, return_inverse=True)[1].astype(np.int64) for *_, clusters in parts]
    sides = [[a for a, *_ in parts], [b for _, b, _ in parts]]
    a, b = (intervals.drawn(f, list(zip(side, own, strict=True)), yes_no=rates) for side in sides)
    if a is None or b is None or not intervals.varies(a - b):
        return Resampled(None, None, 1.0, None)
    low, high = intervals.percentile(a - b)
    seen = float(np.subtract(*(f(*(values.mean() for values in side)) for side in sides)))
    return Resampled(min(low, seen), max(high, seen), 1.0, float((a - b).std(ddof=1)))


@lru_cache(maxsize=4096)
def mcnemar(won: int, lost: int) -> float:
    """The exact two-sided p that pictures which differ differ either way equally often; 1 where none differs."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(won, lost), won + lost, 0.5)))


def signs(d: Floats, clusters: Whole) -> float:
    """The two-sided p that the sums of d = a - b over clusters are as likely above 0 as below: `exchange` of means."""
    return signs_all([intervals.grouped(d, clusters)])[0]


def signs_all(tests: Sequence[Grouped]) -> list[float]:
    """`signs` of each; those in which equally many prompts differ are multiplied with the same signs at once."""
    found = [1.0] * len(tests)
    together: dict[int, list[int]] = {}
    for i, (_, sums, _) in enumerate(tests):
        together.setdefault(int((np.abs(sums) > EQUAL).sum()), []).append(i)
    for m, same in together.items():
        moves, rest = np.empty((m, len(same))), np.empty(len(same))
        for k, (_, sums, counts) in enumerate(tests[i] for i in same):
            moved, n = np.abs(sums) > EQUAL, counts.sum()
            moves[:, k], rest[k] = sums[moved] / n, sums[~moved].sum() / n
        apart = np.concatenate([np.abs(rest + _turned(changed) @ moves) for changed in changes(m, 0)])
        for i, p in zip(same, (apart >= apart[0] - EQUAL).mean(axis=0), strict=True):
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
    return exchange_all([exchanged(f, parts)], seed)[0]


def exchange_all(tests: Sequence[Exchanged], seed: int = 0) -> list[float]:
    """`exchange` of each; in those in which equally many prompts differ the same prompts change places at once."""
    found = [1.0] * len(tests)
    together: dict[int, list[int]] = {}
    for i, one in enumerate(tests):
        together.setdefault(len(one.moves), []).append(i)
    for m, same in together.items():
        apart = _distances([tests[i] for i in same], changes(m, seed))
        for i, p in zip(same, (apart >= apart[0] - EQUAL).mean(axis=0), strict=True):
            found[i] = float(p)
    return found


class Exchanged(NamedTuple):
    """What stays of a test of f of means: of prompts that differ b - a, (m, parts); of all the sums of a and of b, and
    what they can be at least and at most, and how many values there are, (parts,) each."""

    f: Callable[..., Any]
    moves: Floats
    a: Floats
    b: Floats
    least: Floats
    most: Floats
    n: Whole


def exchanged(f: Callable[..., Any], parts: Parts) -> Exchanged:
    """What stays of a test of f of the means of parts."""
    m = 1 + max(int(clusters.max()) for *_, clusters in parts)
    a, b = (np.array([np.bincount(part[2], weights=part[i], minlength=m) for part in parts]).T for i in (0, 1))
    moves = (b - a)[(np.abs(a - b) > EQUAL).any(1)]
    least, most = np.minimum(a, b).sum(0), np.maximum(a, b).sum(0)
    return Exchanged(f, moves, a.sum(0), b.sum(0), least, most, np.array([len(clusters) for *_, clusters in parts]))


def _distances(tests: Sequence[Exchanged], drawn: Iterable[NDArray[np.bool_]]) -> NDArray[np.float64]:
    """How far f of a's means and f of b's are apart in every draw, (draws, tests).

    No sum leaves what its prompts allow, by rounding: a rate of 1 is never more.
    """
    moves = np.hstack([one.moves for one in tests])
    cuts = np.cumsum([len(one.n) for one in tests])[:-1]
    found = []
    for changed in drawn:
        columns = []
        for one, moved in zip(tests, np.hsplit(changed.astype(float) @ moves, cuts), strict=True):
            ours, theirs = (np.clip(s, one.least, one.most) / one.n for s in (one.a + moved, one.b - moved))
            columns.append(np.abs(one.f(*ours.T) - one.f(*theirs.T)))
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
