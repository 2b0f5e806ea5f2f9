"""The rows of a report of attacks: what tells one from another, as `variants` tells methods' rows apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dumo_bench.analysis.attacks import Success
from dumo_bench.report.variants import Key, labels
from dumo_bench.types import Recipe, Search, canonical


@dataclass(frozen=True, slots=True)
class Row:
    """One attack on one edit. Labels with what tells them from others of their name: of the attack, of the edit that it
    was searched on ("": it saw none), of the edit that it was tried on. settings: all of the attack's, in words."""

    of: Success
    attack: str
    searched_on: str
    method: str
    settings: str

    @property
    def found(self) -> str:
        """What was searched, on what."""
        return f"{self.attack} searched on {self.searched_on}" if self.searched_on else self.attack


def rows(found: Sequence[Success]) -> list[Row]:
    """A row each, in their order; no two of a table read the same."""
    attacks = labels(map(_search, (one.search for one in found)))
    methods = labels(map(_edit, (one.recipe for one in found)))
    by_key = {one.recipe.key: str(methods[_edit(one.recipe)]) for one in found}
    contracts = Counter(suite for suite, _ in {(one.suite, one.sampling) for one in found})
    tried = [
        str(methods[_edit(one.recipe)]) + (f" (contract {one.sampling})" if contracts[one.suite] > 1 else "")
        for one in found
    ]
    named = [
        Row(one, str(attacks[_search(one.search)]), _on(one.search, by_key), method, _all(one))
        for one, method in zip(found, tried, strict=True)
    ]
    several = Counter(map(_read, named))
    return [_with_suite(row) if several[_read(row)] > 1 else row for row in named]


def _search(search: Search) -> Key:
    return search.attack, search.version, canonical(_settings(search)), search.seed, search.model, ""


def _edit(recipe: Recipe) -> Key:
    return recipe.method, recipe.version, canonical(recipe.params), recipe.fit_seed, recipe.model, ""


def _settings(search: Search) -> Mapping[str, Any]:
    """What was set; where that is in words alone, these as the one setting."""
    try:
        read = json.loads(search.settings)
    except ValueError:
        read = None
    return read if isinstance(read, dict) else {"settings": search.settings}


def _all(one: Success) -> str:
    return ", ".join(f"{name}={value}" for name, value in _settings(one.search).items())


def _on(search: Search, by_key: Mapping[str, str]) -> str:
    """Of an edit that nothing was measured of, its method and key."""
    return by_key.get(search.edit, f"{search.method} {search.edit[:8]}") if search.method else ""


def _read(row: Row) -> tuple[str, ...]:
    return row.of.metric, row.of.search.sees, row.found, row.of.case, row.method


def _with_suite(row: Row) -> Row:
    """Searches alike but for their prompts and pictures, which the suite is of."""
    return Row(row.of, f"{row.attack}, suite {row.of.suite}", row.searched_on, row.method, row.settings)
