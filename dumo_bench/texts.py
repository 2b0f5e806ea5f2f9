"""Texts that others wrote, made harmless to show. Standard library only."""

from __future__ import annotations

import re
from json import dumps
from typing import Any

#: what moves a terminal's cursor or paints it (C0, C1), breaks a line unseen, turns the direction of writing, has no
#: width, so that two names look alike (joiners stay: scripts and emoji need them), or is half a character that no
#: file can hold
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001  # spreadsheets take these too


def plain(text: str) -> str:
    """The text with a visible sign in place of everything that acts where it is shown; lines and tabs stay."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def line(text: str) -> str:
    """The same on one line."""
    return " ".join(plain(text).split())


def json(value: Any) -> str:
    """A value as JSON that holds nothing that acts: it is escaped, so that a reader gets it back."""
    return _UNSEEN.sub(lambda sign: dumps(sign[0])[1:-1], dumps(value, indent=1, ensure_ascii=False))


def cell(text: str) -> str:
    """A text of a CSV file that no spreadsheet takes for a formula: a quote before what would begin one."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
