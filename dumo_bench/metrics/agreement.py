"""How far two yes/no verdicts on the same pictures agree. Cohen, 1960, https://doi.org/10.1177/001316446002000104"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Verdicts = NDArray[np.bool_]


class Agreement(NamedTuple):
    """Of how many pictures both say yes, the first alone, the second alone, neither."""

    both: int
    first: int
    second: int
    neither: int

    @property
    def n(self) -> int:
        return sum(self)

    @property
    def observed(self) -> float | None:
        """The share of pictures on which they agree, p_o; None of no picture."""
        return (self.both + self.neither) / self.n if self.n else None

    @property
    def kappa(self) -> float | None:
        """kappa = (p_o - p_e) / (1 - p_e), p_e what verdicts of the same rates would agree by chance.

        None where both give every picture the same one verdict: chance alone would agree wholly.
        """
        if self.observed is None:
            return None
        yes = (self.both + self.first) / self.n, (self.both + self.second) / self.n
        chance = yes[0] * yes[1] + (1 - yes[0]) * (1 - yes[1])
        return None if chance == 1 else (self.observed - chance) / (1 - chance)


def agreement(first: Verdicts, second: Verdicts) -> Agreement:
    """Of verdicts (n,) on the same pictures in the same order."""
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"two verdicts must be (n,) of the same pictures, got {first.shape} and {second.shape}")
    counts = (first & second, first & ~second, ~first & second, ~first & ~second)
    return Agreement(*(int(np.count_nonzero(one)) for one in counts))
