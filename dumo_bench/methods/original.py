"""The unedited model: what every method is compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from dumo_bench.hosts.sd import Host, stock_guide
from dumo_bench.types import Edit, Guide


@dataclass(frozen=True)
class Original:
    """No edit."""

    name: ClassVar[str] = "original"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "the unedited model"
    needs: ClassVar[frozenset[str]] = frozenset({"unet"})

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, erase, seed  # nothing is learnt
        return Edit({}, {})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        del edit
        yield partial(stock_guide, host)
