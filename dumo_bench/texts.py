"""Texts that others wrote, made harmless to show. Standard library only."""

from __future__ import annotations

import re

#: what moves a terminal's cursor or paints it (C0, C1), breaks a line unseen, turns the direction of writing, or is
#: half a character that no file can hold
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # spreadsheets take these too


def plain(text: str) -> str:
    """The text with a visible sign in place of everything that acts where it is shown; lines and tabs stay."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """The same on one line."""
    return " ".join(plain(text).split())


def cell(text: str) -> str:
    """A text of a CSV file that no spreadsheet takes for a formula: a quote before what would begin one."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
