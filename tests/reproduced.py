"""`python tests/reproduced.py RESULTS [ACCEPTED]`: has a run the accepted numbers, on the same prompts and noise?

Pairs every picture of RESULTS with the accepted one of its prompt, seed and method. A difference that is
significant after correction over all tests is a regression: exit code 1. Another machine may move single pictures.
Without ACCEPTED it is the committed run of `dumo-bench reproduce emoji`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from dumo_bench.analysis import compare
from dumo_bench.analysis.differences import Difference
from dumo_bench.analysis.sides import shared
from dumo_bench.errors import UserError

COMMITTED = Path(__file__).parents[1] / "results" / "emoji-reproduced"


def pairs(out: Path, committed: Path = COMMITTED) -> list[Difference]:
    """Every tested difference between a results folder and the accepted one."""
    sides = shared(out, committed)
    return [d for group in compare.every(sides) for d in group if d.p is not None]


def said(d: Difference) -> str:
    """A difference in a line."""
    return f"{d.case:<24} {d.role:<10} {d.metric:<24} n={d.n:<4} ours {d.a:.4f} accepted {d.b:.4f} q={d.q:.2g}"


def main(argv: Sequence[str]) -> int:
    """What differs and by how much; 1 where something differs significantly, 2 where nothing can be paired."""
    out, accepted = Path(argv[0]), Path(argv[1]) if argv[1:] else COMMITTED
    try:
        found = pairs(out, accepted)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    wrong = [d for d in found if d.separable]
    print("\n".join(map(said, wrong or found)))
    print(f"{len(found)} numbers, {len(wrong)} differ significantly from {accepted}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
