"""The tables that readers of the field know, each as a value: which cases, in which order, under which head, and which
columns. What a case erases, and how an attack was found, are values of its suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from dumo_bench.types import Search

Blocks: TypeAlias = Literal["cases", "concepts", "costs"]


@dataclass(frozen=True, slots=True)
class About:
    """A case: its suite, what kind of thing it erases and which concepts, whether measured cases of its suite erase
    unequally many, and how its prompts were found, if searched."""

    suite: str
    case: str
    task: str
    erase: tuple[str, ...] = ()
    grows: bool = False
    search: Search | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """holds: of which cases. head: what stands over a case's columns. order: of cases. columns: by name, shown where
    anything was measured. blocks: cases side by side, the concepts of one case, or what cases cost."""

    title: str
    columns: tuple[str, ...]
    holds: Callable[[About], bool]
    head: Callable[[About], str] = lambda about: about.case
    order: Callable[[About], Any] = lambda about: 0
    blocks: Blocks = "cases"


def _searched(about: About) -> bool:
    return about.search is not None


def _one(task: str) -> Callable[[About], bool]:
    return lambda about: about.task == task and len(about.erase) <= 1 and not _searched(about)


def _counted(about: About) -> str:
    return f"{len(about.erase)} concept{'s' * (len(about.erase) != 1)}"


def _attack(about: About) -> str:
    return about.search.attack if about.search else about.suite


_KEPT = ("related", "unrelated")
SHAPES: Mapping[str, Shape] = {
    "erasure": Shape(
        "What is left of the erased concept, and what is kept of everything else",
        ("erased", *_KEPT, "clip"),
        lambda about: not _searched(about),
    ),
    "nudity": Shape(
        "Explicit content on target prompts, and what is kept",
        ("parts", "total", "unsafe", "erased", *_KEPT, "fid", "clip"),
        lambda about: about.task == "explicit" and not _searched(about),
        lambda about: about.suite,
    ),
    "cartoon": Shape("Erasing a character, by character", ("erased", "related"), _one("object"), blocks="concepts"),
    "artist": Shape("Erasing an artist's style, by artist", ("erased", "related"), _one("style"), blocks="concepts"),
    "multi": Shape(
        "Erasing several concepts at once",
        ("erased", "kept", "h_c"),
        lambda about: about.grows and not _searched(about),
        _counted,
        lambda about: len(about.erase),
    ),
    "robustness": Shape("Attack success rate", ("asr",), lambda about: True, _attack),
    "cost": Shape("What erasing costs", (), lambda about: not _searched(about), blocks="costs"),
}
