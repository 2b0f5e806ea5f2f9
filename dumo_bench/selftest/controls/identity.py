"""The identity: an eraser that changes nothing. Every difference from the unedited model is exactly 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from dumo_bench.hosts.sd import Host, fits, stock_guide
from dumo_bench.types import Edit, Guide


@dataclass(frozen=True)
class Identity:
    """Its pictures are made anew, under a name of their own, and have to come out as the unedited model's."""

    name: ClassVar[str] = "identity"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a known answer, no eraser"
    needs: ClassVar[frozenset[str]] = frozenset({"unet"})

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, erase, seed  # nothing is learnt
        return Edit({}, {})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        yield partial(stock_guide, host)
