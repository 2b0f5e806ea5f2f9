"""Which scorers measure a suite: those of its own set, those that were typed, and what each lacks or cannot judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dumo_bench.errors import UserError
from dumo_bench.plugins import loading
from dumo_bench.run.measure import AnyScorer
from dumo_bench.suites.file import DEFAULT
from dumo_bench.types import Suite

ALWAYS = ("blank",)  # cheap, and without it a broken model is a perfect eraser
#: of a suite that names none, by what it erases
_BY_TASK: Mapping[str, tuple[str, ...]] = {"explicit": ("nudenet",)}
_ANY = ("clip_score", "clip_accuracy", "lpips", "fid")
_OF_MODEL: Mapping[str, tuple[str, ...]] = {"emoji-sd": ("concept", "clip_score", "likeness")}


class Choice(NamedTuple):
    """What will measure, in order; and of the suite's own set what lacks its weights, with what to type."""

    specs: tuple[str, ...]
    left_out: Mapping[str, str]


def make(typed: Sequence[str], suite: Suite) -> Choice:
    """The scorers that were typed, with the suite's own where `default` is among them.

    One of the suite's own that lacks its weights is left out. One that was typed stays: that it lacks them is an error.
    """
    named = [spec for spec in typed if spec != DEFAULT]
    ours = of_suite(suite) if DEFAULT in typed else ()
    lacking = {spec: why for spec in ours if spec not in named and (why := lacks(spec))}
    every = dict.fromkeys(spec for one in typed for spec in (ours if one == DEFAULT else (one,)))
    return Choice(tuple(spec for spec in every if spec not in lacking), lacking)


def of_suite(suite: Suite) -> tuple[str, ...]:
    """The scorers that a suite names, else those that suit what it erases; and those that always measure."""
    own = suite.scorers or _OF_MODEL.get(suite.sampling.model) or (*_BY_TASK.get(suite.task, ()), *_ANY)
    there = loading.providers("scorers")
    return tuple(dict.fromkeys([*own, *(name for name in ALWAYS if name in there)]))


def lacks(spec: str) -> str | None:
    """What a scorer lacks and what to type, or None."""
    problem: str | None = loading.make("scorers", spec).missing_weights()
    return problem


def fitted(spec: str, suite: Suite) -> AnyScorer:
    """A scorer as it measures a suite."""
    made: AnyScorer = loading.make("scorers", spec)
    found = made.for_suite(suite)
    if not isinstance(found, type(made)):
        raise UserError(f"scorer {spec}: for_suite gave {found!r}; wanted a {type(made).__name__}")
    return found


def not_judged(specs: Sequence[str], suite: Suite) -> Iterator[tuple[str, Sequence[str]]]:
    """The scorers that do not know some of what a suite asks about, with these words."""
    for spec in specs:
        if unknown := fitted(spec, suite).cannot_judge(suite):
            yield spec, unknown


def said(left_out: Mapping[str, str]) -> str:
    """One line about what was left out."""
    return f"left out, for their weights are not here (`dumo-bench list weights`): {', '.join(left_out)}"
