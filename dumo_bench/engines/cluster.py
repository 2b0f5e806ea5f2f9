"""A Ray cluster: reaching it, and how many workers its living nodes have room for."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.texts import line

STORE = 2**27  # bytes of shared memory: only tasks and their outcomes travel
PATIENCE = 5.0  # seconds until a node that is there has answered


@dataclass(slots=True)
class Cluster:
    """The cluster at an address, or this machine alone where none is given.

    gpus, cpus: of one worker. By default a GPU each where there are GPUs, and a CPU core each.
    """

    device: str = "auto"
    address: str | None = None
    gpus: float | None = None
    cpus: int | None = None
    mine: bool = False  # whether it was connected here
    heard: bool = False  # whether something listens at the address

    @property
    def size(self) -> tuple[float, int]:
        """GPUs and CPU cores of one worker."""
        some = self.device != "cpu" and any(node.get("GPU") for node in self.nodes)
        return (self.gpus if self.gpus is not None else float(some)), self.cpus or 1

    @property
    def room(self) -> int:
        """How many workers the living nodes have room for."""
        gpus, cpus = self.size
        return sum(
            int(min(node.get("CPU", 0) / cpus, node.get("GPU", 0) / gpus if gpus else math.inf)) for node in self.nodes
        )

    @property
    def wanted(self) -> str:
        """What a worker wants, and what there is."""
        gpus, cpus = self.size
        has = "; ".join(f"{node.get('CPU', 0):g} CPU cores, {node.get('GPU', 0):g} GPUs" for node in self.nodes)
        return f"wanted {cpus} CPU cores and {gpus:g} GPUs on one node, the nodes have {has or 'nothing'}"

    @property
    def nodes(self) -> list[Mapping[str, float]]:
        """What each living node has in all."""
        import ray

        if not ray.is_initialized():
            self._connect()
        every: list[Any] = ray.nodes()  # type: ignore[no-untyped-call]
        return [node["Resources"] for node in every if node["Alive"]]

    def _connect(self) -> None:
        import ray
        from ray.exceptions import RayError

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        address = self._typed
        own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": STORE} if address == "local" else {}
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError, ValueError, RayError) as error:
            raise self._refused(error) from error
        self.mine = True
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C; Ray's handler calls sys.exit

    @property
    def _typed(self) -> str:
        return self.address or os.environ.get("RAY_ADDRESS") or "local"

    def reach(self) -> None:
        """Refuse an address at which nobody listens: Ray would try it for a quarter of an hour."""
        os.environ.setdefault(
            "RAY_DEDUP_LOGS_SKIP_REGEX", "."
        )  # Ray tells of dead workers on stdout, as we do on stderr
        host, _, port = self._typed.rpartition(":")
        if not port.isdecimal() or "/" in host:
            return  # a word, or no address: Ray knows at once
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "2")  # of 40 seconds, where no Ray is what listens
        try:
            socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise self._refused(error) from error
        self.heard = True

    def _refused(self, error: Exception) -> UserError:
        what = (
            "what listens there lets no command in: it must be `ray start --head`, of the same versions of Ray and "
            "Python, and where it asks for a token, type export RAY_AUTH_MODE=token"
            if self.heard
            else "no Ray cluster answers: type `ray start --head` on one machine, and `ray start --address=HOST:PORT` "
            "on the others"
        )
        return UserError(f"--address {self._typed}: {what} ({line(str(error))[:200]})")

    def leave(self) -> None:
        """Disconnect, where it was connected here; a cluster of this machine alone ends."""
        import ray

        if self.mine:
            ray.shutdown()
            self.mine = False
