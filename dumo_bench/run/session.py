"""A request with what it needs: its plan, its store and, once something is computed, its loaded model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dumo_bench.hosts import device
from dumo_bench.plugins import loading
from dumo_bench.progress import log
from dumo_bench.run import plan
from dumo_bench.run.plan import Plan, Request
from dumo_bench.storage.store import Store

if TYPE_CHECKING:
    from dumo_bench.hosts.sd import Host


@dataclass
class Session:
    """A request with its plan, its store and, once something has to be computed, its loaded model."""

    request: Request
    out: Path
    device: str = "auto"
    batch_size: int = 16
    spent: dict[str, Any] = field(default_factory=dict)
    sound: dict[str, bool] = field(default_factory=dict)  # key of a picture: whether it is as it was made

    @property
    def failed(self) -> bool:
        """Whether pictures or scorers failed: the command's exit code is 1."""
        return bool(self.spent.get("failed") or self.spent.get("scorers_failed"))

    @cached_property
    def plan(self) -> Plan:
        return plan.make(self.request, lambda spec, settings: loading.make("methods", spec, settings))

    @cached_property
    def store(self) -> Store:
        return Store(self.out)

    @cached_property
    def host(self) -> Host:
        from dumo_bench.hosts import sd

        device.quick_allocator()
        device.quiet_loading()
        log.debug("model %s on %s, %s", self.plan.model, device.chosen(self.device), self.plan.contract)
        return sd.load(self.plan.model, device=device.chosen(self.device), dtype=self.plan.contract.dtype)
