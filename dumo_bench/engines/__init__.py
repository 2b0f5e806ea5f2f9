"""Where the tasks of a run are done (`dumo_bench.run.tasks`): in this process, or by the workers of a Ray cluster."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.run.tasks import Engine


class Asked(NamedTuple):
    """The engine that was typed; with `ray`, which cluster, and what one worker has of it (None: as it chooses)."""

    name: str = "local"
    address: str | None = None
    gpus: float | None = None
    cpus: int | None = None

    def check(self, device: str) -> None:
        """A UserError, where what was typed does not go together."""
        options = ("--address", "--gpus-per-worker", "--cpus-per-worker")
        odd = [option for option, value in zip(options, self[1:], strict=True) if value is not None]
        if self.name == "local" and odd:
            raise UserError(f"{odd[0]} is about the workers of a cluster: type --engine ray with it, or leave it out")
        if self.name == "ray" and device not in ("auto", "cpu"):
            raise UserError(f"--engine ray gives each worker a device: leave --device {device} out, or say cpu")


def make(asked: Asked, device: str) -> Engine:
    """The engine that was typed, for a device."""
    asked.check(device)
    if asked.name == "local":
        return Local()
    if importlib.util.find_spec("ray") is None:
        raise UserError("--engine ray: Ray is not installed: type pip install 'dumo-bench[ray]'")
    from dumo_bench.engines.cluster import Cluster
    from dumo_bench.engines.ray import Ray

    return Ray(Cluster(device, asked.address, asked.gpus, asked.cpus))
