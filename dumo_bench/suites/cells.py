"""A cell of a CSV file as what it says. ValueError: it does not say that."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from dumo_bench.suites import bounds

N = TypeVar("N", int, float)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def seed(text: str) -> int:
    return _within(_whole(text), bounds.seed)


def start(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError(text)
    return text


def count(text: str) -> int:
    return _within(_whole(text), bounds.draws)


def side(text: str) -> int:
    return _within(_whole(text), bounds.size)


def scale(text: str) -> float:
    if not _NUMBER.fullmatch(text):  # Python reads 1_0 and digits of other scripts too
        raise ValueError(text)
    return _within(float(text) + 0.0, bounds.guidance)  # -0 is 0


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 20:  # a longer one is a mistake, and slow to read
        raise ValueError(text)
    return int(text)


def _within(value: N, wrong: Callable[[Any], str]) -> N:
    if wrong(value):
        raise ValueError(value)
    return value
