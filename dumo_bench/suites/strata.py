"""What a text is counted under by the words that it has: the first stratum of which one occurs."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence

from dumo_bench.types import spelt

OTHER = "other"  # the stratum of a text in which no word of a stratum occurs
_ASCII = re.compile(r"[a-z0-9]+")
#: Thai to Myanmar, Khmer, and from kana to Hangul: scripts in which no blank stands between words, or not always
_UNSPACED = re.compile("[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")


def finder(strata: Mapping[str, Sequence[str]]) -> Callable[[str], str]:
    """From a text to its stratum. A word may be several ("hot dog"); of a script without blanks it is looked for
    anywhere in the text."""
    order = list(strata)
    of = {_said(word): n for n in reversed(range(len(order))) for word in strata[order[n]]}
    longest = max((len(words) for words in of if isinstance(words, tuple)), default=1)
    others = {word: n for word, n in of.items() if isinstance(word, str)}

    def first(text: str) -> str:
        text = spelt(text)
        words = _words(text)
        runs = (tuple(words[k : k + n]) for n in range(1, longest + 1) for k in range(len(words) - n + 1))
        met = [of[run] for run in runs if run in of] + [n for word, n in others.items() if word in text]
        return order[min(met)] if met else OTHER

    return first


def wordless(word: str) -> bool:
    """Whether a word has nothing that could be found."""
    return not _said(word)


def _said(word: str) -> tuple[str, ...] | str:
    """The words in order; of a script without blanks the text itself."""
    word = spelt(word)
    return word if _UNSPACED.search(word) else tuple(_words(word))


def _words(text: str) -> list[str]:
    """Runs of letters with their marks, and of digits."""
    if text.isascii():
        return _ASCII.findall(text)
    return "".join(char if unicodedata.category(char)[0] in "LMN" else " " for char in text).split()
