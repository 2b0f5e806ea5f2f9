"""A perfect eraser: where a prompt names an erased concept, another object is drawn; all else is left as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from dumo_bench.hosts.sd import Host, fits, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.selftest.controls.texts import instead
from dumo_bench.types import Conditions, Denoiser, Edit, Guide


@dataclass(frozen=True)
class Perfect(Method):
    """It knows names alone: a prompt that means the concept in other words keeps it. `draws`: what stands in for it."""

    name: ClassVar[str] = "perfect"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a known answer, no eraser"
    kinds: ClassVar[frozenset[str]] = frozenset()

    draws: str = "a mushroom"

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, seed  # nothing is learnt
        return Edit({}, {"gone": list(erase)})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        gone: list[str] = list(edit.header["gone"])

        def guide(given: Conditions) -> Denoiser:
            return stock_guide(host, instead(host, given, [self.without(text, gone) for text in given.texts]))

        yield guide

    def without(self, text: str, gone: Sequence[str]) -> str:
        """A text with what stands in for the erased concepts, each with its article."""
        for concept in sorted(gone, key=len, reverse=True):  # "santa claus" before "santa"
            text = re.sub(rf"\b((an?|the)\s+)?{re.escape(concept)}\b", self.draws, text, flags=re.IGNORECASE)
        return text
