"""A block of a suite's file: word lists and templates that together give prompts with stable ids and seeds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from dumo_bench.suites.checks import Refused, named
from dumo_bench.suites.csvfile import KINDS, ROLES
from dumo_bench.suites.draws import rule
from dumo_bench.types import Prompt, digest

BLOCK_KEYS = (
    "concepts", "kind", "objects", "styles", "backgrounds", "templates", "every", "seeds", "draws", "role", "as",
)  # fmt: skip
_AXES = ("concepts", "objects", "styles", "backgrounds", "templates")


class Word(NamedTuple):
    """What a thing is called, and how a text says it: ("dog", "a dog")."""

    name: str
    said: str


@dataclass(frozen=True, slots=True)
class Text:
    """A template with its words: what is written, and what a picture of it should show."""

    text: str
    concept: str
    shows: Mapping[str, str]


def expand(block: Mapping[str, Any], *, explicit: bool) -> list[Prompt]:
    """The prompts of a block. Of an explicit suite, ids do not tell the text."""
    kind, role = block.get("kind", "object"), block.get("role")
    if kind not in KINDS:
        raise Refused("kind", f"kind is one of {', '.join(KINDS)}, got {kind!r}")
    if role is not None and role not in ROLES:
        raise Refused("role", f"role is one of {', '.join(ROLES)}, got {role!r}")
    counted = named(block, "as") if "as" in block else ""
    draws = rule(block, "block")
    return [
        Prompt(
            id=digest(text.text)[:10] if explicit else _slug(text.text),
            text=text.text,
            concept=counted or text.concept,
            draws=draws(text.text),
            role=role,
            shows=text.shows,
        )
        for text in _texts(block, kind)
    ]


def _texts(block: Mapping[str, Any], kind: str) -> Iterator[Text]:
    """The product of the axes that `every` names; the other axes turn with it, the k-th by k: a Latin square."""
    axes = {axis: _axis(block, axis) for axis in _AXES if axis in block or axis in ("concepts", "templates")}
    every = block.get("every", ["concepts", "templates"])
    if not isinstance(every, list) or not all(isinstance(axis, str) and axis in axes for axis in every):
        raise Refused("every", f"every lists axes of the block ({', '.join(axes)}), got {every!r}")
    turning = [axis for axis in axes if axis not in every]
    for place in product(*(range(len(axes[axis])) for axis in every)):
        at = dict(zip(every, place, strict=True))
        for k, axis in enumerate(turning, 1):
            at[axis] = sum(n * k**p for p, n in enumerate(reversed(place))) % len(axes[axis])
        yield _said({axis: axes[axis][n] for axis, n in at.items()}, kind)


def _said(words: Mapping[str, Word], kind: str) -> Text:
    template, concept = words["templates"].said, words["concepts"]
    parts = {"object": words.get("objects"), "style": words.get("styles"), "background": words.get("backgrounds")}
    parts["style" if kind == "style" else "object"] = concept
    used = {
        name for name, mark in (("object", r"\{(thing|bare)\}"), ("style", r"\{style\}")) if re.search(mark, template)
    }
    shows = {name: word.name for name, word in parts.items() if word and name in used}
    if kind == "hint":
        shows.pop("object", None)
    thing, style, ground = parts["object"], parts["style"], parts["background"]
    fill = {
        **({"thing": thing.said, "bare": thing.name} if thing else {}),
        **({"style": style.said} if style else {}),
        **({"background": ground.said} if ground else {}),
    }
    try:
        return Text(template.format(**fill), concept.name, shows)
    except (KeyError, IndexError, ValueError) as error:
        raise Refused("templates", f"template {template!r} cannot be filled: it lacks a list for {error}") from error


def _axis(block: Mapping[str, Any], axis: str) -> Sequence[Word]:
    """A list of texts ("a dog" is called "dog"), or a table name = "how it is said"."""
    value = block.get(axis)
    if isinstance(value, dict) and value and all(isinstance(said, str) for said in value.values()):
        return [Word(name, said) for name, said in value.items()]
    if isinstance(value, list) and value and all(isinstance(said, str) for said in value):
        return [Word(re.sub(r"^an? ", "", said), said) for said in value]
    raise Refused(axis if axis in block else "block", f"{axis} is a list of texts or a table of them, got {value!r}")


def _slug(text: str) -> str:
    """The letters and digits of ASCII; where there are others, or none, with the text's hash behind."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return slug if slug and text.isascii() else "-".join(filter(None, (slug, digest(text)[:10])))
