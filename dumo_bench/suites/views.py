"""A part of a prompt set under a name of its own: the rows with a label, or a fair part of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dumo_bench.suites.checks import Refused, keys, named, typed, words
from dumo_bench.suites.fair import interleaved
from dumo_bench.types import Prompt, digest, spelt

_KEYS = ("name", "rows", "only", "erase")


@dataclass(frozen=True, slots=True)
class View:
    """`rows` prompts: those that carry the label `only`, or concepts in proportion. `erase` is its case, if its own."""

    name: str
    rows: int
    only: str = ""
    erase: tuple[str, ...] = ()


def parse(data: Mapping[str, Any]) -> View:
    """A [[view]] of a suite's file."""
    keys("view", data, _KEYS)
    erase = words(data.get("erase", []), "erase")
    return View(named(data, "name"), typed(data, "rows", int), typed(data, "only", str, ""), erase)


def labels(prompt: Prompt) -> tuple[str, ...]:
    """The concepts of a row that names several: "hate, violence"."""
    return tuple(prompt.concept.split(", "))


def part(prompts: Sequence[Prompt], view: View) -> tuple[Prompt, ...]:
    """The prompts of a view, in the set's order. A smaller fair part lies within a larger one."""
    if view.only:
        found = [prompt for prompt in prompts if spelt(view.only) in map(spelt, labels(prompt))]
    else:
        shuffled = sorted(prompts, key=lambda prompt: digest(prompt.id))  # files are often sorted by their texts
        chosen = {prompt.id for prompt in interleaved(shuffled, lambda prompt: prompt.concept)[: view.rows]}
        found = [prompt for prompt in prompts if prompt.id in chosen]
    if len(found) != view.rows:
        raise Refused("view", f"view {view.name!r} has {len(found):,} rows, wanted {view.rows:,}")
    return tuple(found)
