"""One spelling a concept: those that differ only in how they are typed are one, for roles and for counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from dumo_bench.errors import unknown
from dumo_bench.types import Case, Prompt, Suite, spelt

ALL = "*"  # in place of a concept, in the table of numbers


def one_spelling(suite: Suite) -> Suite:
    """The suite with every concept as its first case spells it, else as its first prompt does; `spellings` says where.

    What a case erases stays as it is written: that is what methods are given.
    """
    first: dict[str, str] = {}
    others: dict[str, dict[str, None]] = {}
    for word in _words(suite):
        kept = first.setdefault(spelt(word), word)
        if word != kept:
            others.setdefault(kept, {})[word] = None
    if not others:
        return suite
    return replace(
        suite,
        prompts=tuple(_respelt(prompt, first) for prompt in suite.prompts),
        spellings={kept: tuple(words) for kept, words in others.items()},
    )


def _words(suite: Suite) -> Iterator[str]:
    yield from (word for case in suite.cases for word in case.erase)
    for prompt in suite.prompts:
        yield prompt.concept
        yield from prompt.shows.values()
    for table in (suite.related, suite.implied):
        for concept, others in table.items():
            yield from (concept, *others)


def _respelt(prompt: Prompt, first: Mapping[str, str]) -> Prompt:
    shows = {kind: first[spelt(word)] for kind, word in prompt.shows.items()}
    return replace(prompt, concept=first[spelt(prompt.concept)], shows=shows)


def problem(suite: Suite) -> tuple[int, str] | None:
    """The first case that cannot mean what it says, by its number, and why; None if there is none.

    A suite that states every role itself (I2P, COCO) may erase what no prompt is counted under.
    """
    if not suite.prompts:
        return 0, "the suite has no prompts"
    if any(prompt.concept == ALL for prompt in suite.prompts):
        return 0, f"a concept is called {ALL!r}, which stands for all of them in the tables: name it otherwise"
    known = {spelt(prompt.concept): prompt.concept for prompt in suite.prompts}
    stated = all(prompt.role for prompt in suite.prompts)
    aimed = any(prompt.role == "target" for prompt in suite.prompts)
    for nth, case in enumerate(suite.cases):
        if why := _twice(case):
            return nth, why
        lost = [word for word in case.erase if spelt(word) not in known]
        if not stated and lost and (not aimed or len(lost) == len(case.erase)):
            return nth, f"case {case.name!r}: {unknown('concepts of the prompts', lost[0], known.values())}"
    return None


def stray(suite: Suite) -> tuple[str, str] | None:
    """The table of a suite's file that has a word which no prompt shows and no case erases, and what is wrong with it.

    One that is misspelt would be counted as unrelated, without a word. Where every prompt states its role, these tables
    decide nothing.
    """
    if all(prompt.role for prompt in suite.prompts):
        return None
    shown = [word for prompt in suite.prompts for word in (prompt.concept, *prompt.shows.values())]
    known = {spelt(word): word for word in (*shown, *(word for case in suite.cases for word in case.erase))}
    for key, table in (("related", suite.related), ("implied", suite.implied)):
        for concept, others in table.items():
            for word in (concept, *others):
                if spelt(word) not in known:
                    return key, f"{key}, {concept!r}: {unknown('concepts of the suite', word, known.values())}"
    return None


def _twice(case: Case) -> str:
    seen: dict[str, str] = {}
    for word in case.erase:
        if spelt(word) in seen:
            return f"case {case.name!r} erases one concept twice, as {seen[spelt(word)]!r} and as {word!r}"
        seen[spelt(word)] = word
    return ""


def said(suite: Suite) -> list[str]:
    """A line for each concept that is spelt in several ways."""
    return [
        f"{', '.join(map(repr, others))} counts as {kept!r}: they differ only in how they are typed"
        for kept, others in suite.spellings.items()
    ]
