"""What a comparison at equal erasure comes to, in a sentence: "stronger, but breaks more"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dumo_bench.analysis.equal_erasure import Contrast, Reading


def sentence(found: Contrast) -> str:
    """What a contrast comes to, in a sentence; only what is significant is said to differ."""
    names = {"a": found.a.method, "b": found.b.method}
    low, high = found.both
    if low > high:
        spans = [f"{one.method} leaves {one.least:.2f} to {one.most:.2f}" for one in (found.a, found.b)]
        return f"They nowhere erase equally much: {', '.join(spans)} of the target."
    if not found.kept:
        return f"Nothing was read where equally much is left: both leave {low:.2f} to {high:.2f} of the target."
    said = _erases(found, names) + _breaks(found, names)
    return f"{said.replace('at equal', 'At equal', 1) if said.startswith('at equal') else said}."


def _erases(found: Contrast, names: Mapping[str, str]) -> str:
    """How a sentence begins."""
    stronger, losers = found.reach.better, _losers(found)
    if not stronger:
        return ""
    if not losers:
        return f"{names[stronger]} erases more; "
    return f"{names[stronger]} erases more {'but' if stronger in losers else 'and'} "


def _breaks(found: Contrast, names: Mapping[str, str]) -> str:
    """How it goes on."""
    losers, stronger = _losers(found), found.reach.better
    if not losers:
        return f"at equal erasure no difference between {names['a']} and {names['b']} is significant"
    if len(losers) == 2:
        each = "; ".join(_clearest(losers[side], names, side) for side in losers)
        both = f"{names['a']} and {names['b']} break different things"
        return f"{'breaks other things' if stronger else both}: {each}"
    ((loser, worse),) = losers.items()
    verb = "breaks more" if stronger == loser else "breaks less" if stronger else f"{names[loser]} breaks more"
    return f"{verb}: {_clearest(worse, names, loser)}"


def _losers(found: Contrast) -> dict[str, list[Reading]]:
    """Who keeps significantly less of something, and of what."""
    sides = (("a", "b"), ("b", "a"))
    worse = {side: [one for one in found.kept if one.better == other] for side, other in sides}
    return {side: readings for side, readings in worse.items() if readings}


def _clearest(worse: Sequence[Reading], names: Mapping[str, str], loser: str) -> str:
    """The clearest of the differences, and how many more there are."""
    first, *rest = sorted(worse, key=lambda one: (one.q, -abs(one.difference)))
    values = {"a": first.a, "b": first.b}
    other = "b" if loser == "a" else "a"
    more = f" (and {len(rest)} more differences)" if rest else ""
    return (
        f"at {first.level:.2f} of the target left, {first.metric} on {first.role} prompts is {values[loser]:.2f} with "
        f"{names[loser]} and {values[other]:.2f} with {names[other]}{more}"
    )
