"""How many pictures a suite has for a row of the summary, and whether the row is of fewer: partial."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from dumo_bench.analysis import results
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.derived import Part
from dumo_bench.types import SETS, Suite, spelt

#: case, role, concept -> pictures a method; of all concepts "*", of the erased ones True, of all others False
Whole: TypeAlias = Mapping[tuple[str, str, str | bool], int]
_MISSING = re.compile(r"(?:[^:]*: )?(\d+) missing: (.*)", re.DOTALL)  # how many and why, perhaps behind what the set is
MORE = "and for other reasons"


def of(suite: Suite) -> Whole:
    """The pictures that a suite has a method; the "kept" role counts too."""
    found: Counter[tuple[str, str, str | bool]] = Counter()
    for case in suite.cases:
        gone = set(map(spelt, case.erase))
        for prompt in suite.prompts:
            own = suite.role(case, prompt)
            for role in (own, *(["kept"] if own in SETS["kept"] else [])):
                for concept in (prompt.concept, "*", spelt(prompt.concept) in gone):
                    found[case.name, role, concept] += len(prompt.draws)
    return found


def sizes(suites: Iterable[Suite]) -> dict[tuple[str, int], int]:
    """How many pictures each suite, by name and version, has a method."""
    return {(suite.name, suite.version): sum(len(prompt.draws) for prompt in suite.prompts) for suite in suites}


def _expected(row: Mapping[str, Any], parts: Iterable[Part], whole: Whole) -> int:
    """How many pictures a row is of; one that is made of others is of all that its parts are of."""
    wanted = [(part.role, "*" if part.named is None else part.named) for part in parts]
    return sum(whole.get((row["case"], *of), 0) for of in wanted or [(row["role"], row["concept"])])


def told(
    rows: Iterable[Mapping[str, Any]], suites: Iterable[Suite], group: Sequence[str], metrics: Catalogue
) -> list[dict[str, Any]]:
    """The rows of a summary with `expected` and `partial`; measured ones before those that are made of them.

    Both are null where the suite cannot be read. `group`: what the rows of one method on one case have in common.
    """
    whole = {(suite.name, suite.version): of(suite) for suite in suites}
    names = {name for name, _ in whole}
    found: list[dict[str, Any]] = []
    known: dict[tuple[Any, ...], bool | None] = {}
    for row in rows:
        suite = results.among(names, row["suite"], row.get("content"))
        made, of_suite = metrics.of(row).made_of, whole.get((suite, row["suite_version"]), {})
        n = _expected(row, made, of_suite) or None
        at = tuple(row[name] for name in group)
        parts = [known.get((*at, part.metric, part.role)) for part in made]
        partial = _partial(row, n) if not parts else None if None in parts else True in parts
        if row["concept"] == "*":
            known[*at, row["metric"], row["role"]] = partial
        found.append({**row, "expected": n, "partial": partial})
    return found


def _partial(row: Mapping[str, Any], expected: int | None) -> bool | None:
    """Whether pictures lack, or could not be measured; not where their prompts ask nothing of the scorer."""
    if expected is None:
        return None
    return bool(row["n"] + row["n_missing"] < expected or row["n_missing"] > row["n_unasked"])


def reasons(note: str) -> list[str]:
    """Why values are missing, without what else a note tells of a number."""
    return [part for part in note.split("; ") if _MISSING.fullmatch(part) or part == MORE]


def together(notes: Iterable[str]) -> str:
    """The reasons of several notes, each once with how many are missing for it in all."""
    found: Counter[str] = Counter()
    for part in (part for note in notes for part in reasons(note)):
        said = _MISSING.fullmatch(part)
        found[said[2] if said else part] += int(said[1]) if said else 0
    return "; ".join(f"{n} missing: {why}" if n else why for why, n in found.items())
