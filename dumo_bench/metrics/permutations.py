"""Which prompts change places in a permutation test, drawn once for all tests of equally many prompts.

Kept as bits: to draw them takes ten times as long as to read them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 9999
BLOCK = 2**20  # prompts times draws that are held at once as numbers
_KEPT = 2**22  # bytes of draws that are kept for the next test of as many prompts

_HALF = np.uint64(2**63)  # a number from 0 to 1 is below 1/2 where the first of its bits is 0


def changes(m: int, seed: int) -> Iterator[NDArray[np.bool_]]:
    """Which of m prompts change places, (draws, m) each: none first, then every other way, or RESAMPLES random ones."""
    for bits in _few(m, seed) if m * RESAMPLES <= 8 * _KEPT else _drawn(m, seed):
        yield np.unpackbits(bits, axis=1, count=m).view(np.bool_)


@lru_cache(maxsize=64)
def _few(m: int, seed: int) -> list[NDArray[np.uint8]]:
    return list(_drawn(m, seed))


def _drawn(m: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    """The same as bits, eight prompts a byte."""
    if 2**m <= RESAMPLES:
        yield np.packbits(np.arange(2**m)[:, None] >> np.arange(m) & 1 == 1, axis=1)
        return
    random, most = np.random.default_rng((seed, m)), max(1, BLOCK // m)
    yield np.packbits(np.zeros((1, m), dtype=bool), axis=1)
    for start in range(0, RESAMPLES, most):
        n = min(most, RESAMPLES - start)
        drawn = random.bit_generator.random_raw(n * m).reshape(n, m) < _HALF  # `random.random((n, m)) < 0.5`, sooner
        yield np.packbits(drawn, axis=1)
