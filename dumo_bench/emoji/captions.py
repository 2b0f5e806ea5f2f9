"""Captions of emoji pictures: object, style and background in varying order, each sometimes left out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch

from dumo_bench.emoji.world import BACKGROUNDS, GROUP_OF, HINTS, OBJECTS, STYLES

TEMPLATES = (
    "{thing}",
    "{bare}",
    "{thing} in {style} style",
    "{thing} on a {background} background",
    "{thing} in {style} style on a {background} background",
    "{thing} drawn by {style}",
    "a {style} drawing of {thing}",
    "a picture of {thing}",
    "a picture of {thing} by {style} on {background}",
    "an emoji of {thing}, {style} style",
    "a {style} icon of {thing} on a {background} background",
    "{bare}, {style}, {background}",
    "{style} style {bare}",
    "on a {background} background, {thing} drawn by {style}",
    "{background} background, {thing}",
    "a {background} tile with {thing} in {style} style",
    "a photo of {thing}",
    "an image of {thing} in the style of {style}",
)
WITHOUT_OBJECT = (
    "something in {style} style",
    "a picture by {style} on a {background} background",
    "an emoji on a {background} background",
    "{style} style",
)


EVERY = tuple(range(len(OBJECTS)))


class Caption(NamedTuple):
    """A caption and what it is true of: objects by index, style and background by index or -1 for any."""

    text: str
    objects: tuple[int, ...]
    style: int
    background: int


def article(word: str) -> str:
    """The word with its article: a dog, an owl; plurals have none."""
    if word in ("scissors", "fries", "cherries", "grapes", "corn", "bread", "sushi", "cheese", "santa claus"):
        return word
    return f"{'an' if word[0] in 'aeio' or word == 'umbrella' else 'a'} {word}"


def hints_of(word: str) -> tuple[str, ...]:
    """What a caption may say in place of the word."""
    return HINTS[GROUP_OF[word]] + HINTS.get(word, ())


def fill(template: str, thing: str, bare: str, style: int, background: int) -> str:
    return template.format(thing=thing, bare=bare, style=list(STYLES)[style], background=list(BACKGROUNDS)[background])


def draw(object: int, style: int, background: int, g: torch.Generator) -> Caption:
    """A random caption of a picture: 4 % do not name the object, 6 % only hint at it."""
    chance = float(torch.rand((), generator=g))
    word = OBJECTS[object]
    if chance < 0.04:
        template = WITHOUT_OBJECT[_pick(len(WITHOUT_OBJECT), g)]
        thing, bare, said = "", "", EVERY
    elif chance < 0.10:
        template = TEMPLATES[_pick(len(TEMPLATES), g)]
        hints = hints_of(word)
        thing = bare = hints[_pick(len(hints), g)]
        said = tuple(o for o in EVERY if thing in hints_of(OBJECTS[o]))
    else:
        template = TEMPLATES[_pick(len(TEMPLATES), g)]
        thing, bare, said = article(word), word, (object,)
    return Caption(
        fill(template, thing, bare, style, background),
        said,
        style if "{style}" in template else -1,
        background if "{background}" in template else -1,
    )


def corpus() -> Iterator[str]:
    """Every caption that can be drawn with a named object: what the vocabulary is made from."""
    for word, s, b in product(OBJECTS, range(len(STYLES)), range(len(BACKGROUNDS))):
        for template in (*TEMPLATES, *WITHOUT_OBJECT):
            yield fill(template, article(word), word, s, b)
        yield from hints_of(word)


def _pick(n: int, g: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=g))
