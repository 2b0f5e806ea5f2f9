"""Pictures that another program made: nothing is learnt and nothing drawn here.

`dumo-bench store import` brings them into a results folder; `score`, `report` and `compare` then treat them as any
method's. That they were sampled as the suite says is taken from whoever made them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Method
from dumo_bench.types import Edit, Guide

if TYPE_CHECKING:
    from dumo_bench.hosts.sd import Host


@dataclass(frozen=True)
class Pictures(Method):
    """made_by: what made them, as tables shall call it: "salun", or "original" for the unedited model's."""

    name: ClassVar[str] = "pictures"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "whoever made the pictures"
    kinds: ClassVar[frozenset[str]] = frozenset()
    shown: ClassVar[tuple[str, ...]] = ("made_by",)

    made_by: str = ""

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        raise self._elsewhere()

    def apply(self, host: Host, edit: Edit) -> AbstractContextManager[Guide]:
        raise self._elsewhere()

    def _elsewhere(self) -> UserError:
        return UserError(
            f"pictures of {self.made_by or 'another program'} are not made here: type `dumo-bench store import FOLDER "
            "--made-by NAME` with their folder, then `dumo-bench score`"
        )
