"""A request with what it needs: its plan, its store, its engine and, once something is computed, its loaded model."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.hosts import device
from dumo_bench.plugins import loading
from dumo_bench.progress import log
from dumo_bench.run import choice, plan
from dumo_bench.run.plan import Part, Plan, Request
from dumo_bench.run.room import Room
from dumo_bench.storage.store import Store

if TYPE_CHECKING:
    from dumo_bench.hosts.sd import Host
    from dumo_bench.run.measure import AnyScorer
    from dumo_bench.run.tasks import Engine


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looks for cycles among hundreds of thousands of new values, of which none is in one."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass
class Loaded:
    """The last model, by its hash, name, device and dtype, and scorers by their spec and suite: what sessions share.

    Both are left as they were by whoever used them (`hosts.fingerprint`).
    """

    hosts: dict[tuple[str, str, str, str], Host] = field(default_factory=dict)
    scorers: dict[tuple[str, str], AnyScorer] = field(default_factory=dict)


@dataclass
class Session:
    """A request with its plan, its store, its engine and, once something has to be computed, its loaded model."""

    request: Request
    out: Path
    engine: Engine
    device: str = "auto"
    batch_size: int = 16
    spent: dict[str, Any] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)  # key of a recipe: how many of its pictures go at once
    sound: dict[str, bool] = field(default_factory=dict)  # key of a picture: whether it is as it was made
    loaded: Loaded = field(default_factory=Loaded)

    @property
    def failed(self) -> bool:
        """Whether pictures or scorers failed: the command's exit code is 1."""
        return bool(self.spent.get("failed") or self.spent.get("scorers_failed"))

    @cached_property
    def plan(self) -> Plan:
        with _uncollected():
            return plan.make(self.request, lambda spec, settings: loading.make("methods", spec, settings))

    def part(self, recipe: str, case: str | None = None) -> Part:
        """The part of a recipe, by its key, and of a case; without one, the first."""
        return self._parts[recipe, case]

    @cached_property
    def _parts(self) -> dict[tuple[str, str | None], Part]:
        found: dict[tuple[str, str | None], Part] = {}
        for part in (*self.plan.reference, *self.plan.parts):
            found.setdefault((part.recipe.key, None), part)
            found[part.recipe.key, part.case.name] = part
        return found

    def scorer(self, spec: str) -> AnyScorer:
        """A scorer as it measures this suite, made once."""
        key = spec, self.plan.content
        if key not in self.loaded.scorers:
            self.loaded.scorers[key] = choice.fitted(spec, self.plan.suite)
        return self.loaded.scorers[key]

    @cached_property
    def store(self) -> Store:
        return Store(self.out)

    @property
    def host(self) -> Host:
        """The model, loaded when it is first asked for."""
        from dumo_bench.hosts import sd

        where = device.use(self.device)
        key = self.plan.model_hash, self.plan.model, str(where), self.plan.contract.dtype
        if key not in self.loaded.hosts:
            log.debug("model %s on %s, %s", self.plan.model, where, self.plan.contract)
            self.loaded.hosts.clear()  # before the next: two need not fit
            self.loaded.hosts[key] = sd.load(self.plan.model, device=where, dtype=self.plan.contract.dtype)
        return self.loaded.hosts[key]
