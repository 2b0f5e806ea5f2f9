"""What kind of thing each case erases: an object, a style, explicit content. Directions on targets depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from dumo_bench.types import Case, Suite, spelt

if TYPE_CHECKING:
    import pandas as pd

Kinds: TypeAlias = Mapping[tuple[str, int, str], str]  # suite, its version, case -> object, style, explicit or ""
_CASE = ["suite", "suite_version", "case"]


def of_suites(suites: Iterable[Suite]) -> dict[tuple[str, int, str], str]:
    """Of every case of some suites."""
    return {(suite.name, suite.version, case.name): of_case(suite, case) for suite in suites for case in suite.cases}


def of_case(suite: Suite, case: Case) -> str:
    """What the prompts show the erased concepts as; where they do not say, the task of the case."""
    shown = {spelt(word): kind for prompt in suite.prompts for kind, word in prompt.shows.items()}
    found = {shown[spelt(concept)] for concept in case.erase if spelt(concept) in shown}
    if len(found) > 1:
        return ""
    return found.pop() if found else case.task or suite.task


def of_rows(*frames: pd.DataFrame) -> dict[tuple[str, int, str], str]:
    """Of the cases of rows of scores, sets or a summary, as far as they tell."""
    return {
        (suite, version, case): erases
        for frame in frames
        for suite, version, case, erases in frame[[*_CASE, "erases"]]
        .drop_duplicates()
        .itertuples(index=False, name=None)
        if erases
    }
