"""The identity: an eraser that changes nothing. Every difference from the unedited model is exactly 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dumo_bench.hosts.sd import Host
from dumo_bench.interfaces import Method
from dumo_bench.types import Edit


@dataclass(frozen=True)
class Identity(Method):
    """Its pictures are made anew, under a name of their own, and have to come out as the unedited model's."""

    name: ClassVar[str] = "identity"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a known answer, no eraser"
    kinds: ClassVar[frozenset[str]] = frozenset()

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, erase, seed  # nothing is learnt
        return Edit({}, {})
