"""What a fit learns for all values of the settings that act after it (`Method.after_fit`): the same method and recipe
with those at their defaults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from dumo_bench.interfaces import Method, Sequel
from dumo_bench.types import Recipe

if TYPE_CHECKING:
    from dumo_bench.run.plan import Part


def method(of: Method) -> Method:
    """The method that learns; the same one where its settings are at their defaults."""
    if not of.after_fit:
        return of
    made = replace(of, **_defaults(of))  # type: ignore[type-var]
    return made.over(of.inner) if isinstance(of, Sequel) and isinstance(made, Sequel) else made


def recipe(of: Method, own: Recipe) -> Recipe:
    """The recipe of what that method learns, where `own` is that of `of`."""
    return replace(own, params={**own.params, **_defaults(of)}) if method(of) != of else own


def recipes(part: Part) -> Iterator[Recipe]:
    """Of every edit that a part is made with, one or more times: its own, what that is taken of, what is below it."""
    yield part.recipe
    yield recipe(part.method, part.recipe)
    if part.base:
        yield from recipes(part.base)


def _defaults(of: Method) -> dict[str, Any]:
    return {one.name: one.default for one in fields(of) if one.name in of.after_fit}  # type: ignore[arg-type]
