"""One style under many names: `vincent-van-gogh`, `Vincent van Gogh` and, where only one is meant, `van gogh`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from dumo_bench.errors import UserError


def words(name: str) -> tuple[str, ...]:
    """A name without case, accents and punctuation: "Van_Gogh" and "van gogh" are one."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return tuple(re.findall(r"[^\W_]+", bare.casefold()))


def ends(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the shorter of two names ends the longer: a surname does. "impressionism" is no surname."""
    short, long = sorted((tuple(one), tuple(other)), key=len)
    return bool(short) and long[-len(short) :] == short and not short[-1].endswith("ism")


def place(name: str, labels: Sequence[str], others: Iterable[str] = ()) -> int | str:
    """Which label means a style, or why none does.

    A label of the same words, else the only one that ends the name or that the name ends. `others` are the styles that
    are asked for beside it: a surname that fits another of them, too, means neither.
    """
    asked, known = words(name), [words(label) for label in labels]
    if not asked:
        return "the prompt names no style"
    if same := [i for i, label in enumerate(known) if label == asked]:
        return same[0] if len(same) == 1 else _several(name, labels, same)
    near = [i for i, label in enumerate(known) if ends(asked, label)]
    if len(near) != 1:
        return _several(name, labels, near) if near else f"the classifier knows no style {name!r}"
    label = known[near[0]]
    rivals = [one for one in dict.fromkeys(others) if words(one) != asked and ends(words(one), label)]
    if rivals:
        return f"{labels[near[0]]!r} may be {name!r} or {rivals[0]!r}"
    return near[0]


def _several(name: str, labels: Sequence[str], found: Sequence[int]) -> str:
    return f"{name!r} may be any of {', '.join(repr(labels[i]) for i in found)}"


def read(path: Path) -> tuple[str, ...]:
    """The names in a text file, one a line; empty lines and lines that begin with # are none."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; wanted a text file of styles, one a line")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    names = tuple(line for line in lines if line and not line.startswith("#"))
    if len(names) < 2:
        raise UserError(f"{path}: a choice needs two styles at least, one a line, got {len(names)}")
    if twice := next((name for i, name in enumerate(names) if words(name) in map(words, names[:i])), None):
        raise UserError(f"{path}: {twice!r} is listed twice, perhaps in another form; name each style once")
    return names
