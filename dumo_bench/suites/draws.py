"""How many pictures a prompt has, and from which seeds, where its row does not say: the rule of a block or a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dumo_bench.suites import bounds
from dumo_bench.suites.checks import Refused
from dumo_bench.types import Draw, digest

DRAW_KEYS = ("seeds", "draws")
_MOST = 2**31  # of seeds that are drawn from a text
_SAID = f"1 to {bounds.MOST_DRAWS:,} seeds from 0 to {bounds.MOST_SEED:,}"


def rule(table: Mapping[str, Any], where: str) -> Callable[[str], tuple[Draw, ...]]:
    """From a text to its draws, as a table states it.

    `seeds = [1, 2]`, `seeds = 2` (so many, drawn from the text), or `draws = {seed = 2024, of = 5}` (one generator).
    """
    seeds, draws = table.get("seeds"), table.get("draws")
    if draws is not None and seeds is not None:
        raise Refused("draws", f"a {where} has seeds or draws, not both")
    if draws is not None:
        return _generator(draws)
    if isinstance(seeds, list) and seeds and not any(map(bounds.seed, seeds)):
        if len(set(seeds)) < len(seeds):
            raise Refused("seeds", f"seeds has a number twice, which would count one picture twice: {seeds!r}")
        return lambda text: tuple(Draw(seed) for seed in seeds)
    if type(seeds) is int and not bounds.draws(seeds):
        return lambda text: tuple(Draw(int(digest([text, n])[:16], 16) % _MOST) for n in range(seeds))
    raise Refused(
        "seeds" if "seeds" in table else where, f"seeds is a number or a list of numbers, {_SAID}, got {seeds!r}"
    )


def _generator(draws: Any) -> Callable[[str], tuple[Draw, ...]]:
    if not isinstance(draws, dict) or draws.keys() != {"seed", "of"}:
        raise Refused("draws", f"draws = {{seed = 2024, of = 5}} was wanted, got {draws!r}")
    if problem := bounds.of_draw(Draw(draws["seed"], 0, draws["of"])):
        raise Refused("draws", f"draws: {problem}")
    found = tuple(Draw(draws["seed"], n, draws["of"]) for n in range(draws["of"]))
    return lambda text: found
