"""The unedited model: what every method is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dumo_bench.hosts.sd import Host
from dumo_bench.interfaces import Method
from dumo_bench.types import Edit


@dataclass(frozen=True)
class Original(Method):
    """No edit."""

    name: ClassVar[str] = "original"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "the unedited model"
    kinds: ClassVar[frozenset[str]] = frozenset()

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, erase, seed  # nothing is learnt
        return Edit({}, {})
