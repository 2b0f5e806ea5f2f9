"""Text that means itself in LaTeX, and about how wide it is."""

from __future__ import annotations

import re
import unicodedata

from dumo_bench.analysis.recognition import MARK
from dumo_bench.report.captions import DASH

_SPECIAL = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    DASH: "--",
    MARK: r"\textdagger{}",
    "\N{NO-BREAK SPACE}": r"\,",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}
_ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0308": '"', "\u030a": "r", "\u0327": "c"}
#: em of Computer Modern at 8 points; most letters and digits are as wide as half an em and a little more
_EMS = {
    **dict.fromkeys("↑↓", 0.5),
    **dict.fromkeys("ijl.,:;'|![]()", 0.31),
    **dict.fromkeys("frtsI-/ ", 0.42),
    **dict.fromkeys("mwMW@%", 0.9),
}
_WORD = 24  # characters after which a word may go on in the next line


def escape(text: str) -> str:
    """Text that means itself in LaTeX; a character that plain pdflatex cannot set becomes its code point."""
    return "".join(_one(char) for char in text)


def prose(text: str) -> str:
    """The same for a paragraph: a long name may be broken behind its signs, and where it has none anywhere."""
    whole = re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text)
    return "".join(_breakable(word) for word in re.split(r"([ \t\n]+)", whole))


def _breakable(word: str) -> str:
    if len(word) <= _WORD:
        return escape(word)
    signs = re.split(r"(?<=[\W_])(?![\W_])(?<!\d\.)", word)  # no number is broken
    parts = (part for sign in signs for part in re.findall(f".{{1,{_WORD}}}", sign))
    return r"\allowbreak{}".join(map(escape, parts))


def _one(char: str) -> str:
    if char in _SPECIAL:
        return _SPECIAL[char]
    if char.isascii():
        return char if char.isprintable() else " "
    parts = unicodedata.normalize("NFD", char)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return f"\\{_ACCENTS[parts[1]]}{{{parts[0]}}}"
    return f"U+{ord(char):04X}"


def width(text: str, size: float) -> float:
    """About how wide a text is, in points, at a font size in points; a text that cannot be set is its code points."""
    return size * sum(_EMS.get(char, 0.75 if char.isupper() else 0.55 if char.isascii() else 1.0) for char in text)
