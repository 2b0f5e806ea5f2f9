"""A part of the prompts that holds every group in proportion."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T")


def interleaved(items: Iterable[T], group: Callable[[T], Hashable]) -> list[T]:
    """The items so ordered that every prefix holds each group in proportion to its size, give or take one."""
    ranked: list[tuple[float, int, T]] = []
    for number, (_, members) in enumerate(grouped(items, group)):
        ranked += [((k + 0.5) / len(members), number, item) for k, item in enumerate(members)]
    return [item for _, _, item in sorted(ranked, key=lambda entry: entry[:2])]


def grouped(items: Iterable[T], group: Callable[[T], Hashable]) -> list[tuple[Hashable, list[T]]]:
    """The items by group, in the order in which groups first come."""
    found: dict[Hashable, list[T]] = {}
    for item in items:
        found.setdefault(group(item), []).append(item)
    return list(found.items())
