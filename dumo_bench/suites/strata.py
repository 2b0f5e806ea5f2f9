"""What a text is counted under by the words that it has: the first stratum of which one occurs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

OTHER = "other"  # the stratum of a text in which no word of a stratum occurs
_WORD = re.compile(r"[a-z]+")


def finder(strata: Mapping[str, Sequence[str]]) -> Callable[[str], str]:
    """From a text to its stratum. A word may be several ("hot dog") or of any script, where letters are looked for."""
    order = list(strata)
    of = {_said(word): n for n in reversed(range(len(order))) for word in strata[order[n]]}
    longest = max((len(words) for words in of if isinstance(words, tuple)), default=1)
    others = {word: n for word, n in of.items() if isinstance(word, str)}

    def first(text: str) -> str:
        words = _WORD.findall(text.lower())
        runs = (tuple(words[k : k + n]) for n in range(1, longest + 1) for k in range(len(words) - n + 1))
        met = [of[run] for run in runs if run in of] + [n for word, n in others.items() if word in text.casefold()]
        return order[min(met)] if met else OTHER

    return first


def _said(word: str) -> tuple[str, ...] | str:
    """The words in order; of another script than ASCII's letters the text itself."""
    return tuple(_WORD.findall(word.lower())) if word.isascii() else word.casefold()
