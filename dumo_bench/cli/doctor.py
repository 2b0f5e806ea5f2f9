"""`doctor`: what this machine can do, and what to type to get what is missing."""

from __future__ import annotations

from pathlib import Path

from dumo_bench.cli.options import Out


def doctor(out: Out = Path("results")) -> None:
    """What this machine can do, and what to type to get what is missing."""
    from dumo_bench.cli import show
    from dumo_bench.hosts import device
    from dumo_bench.run import machine

    device.quiet_loading()
    show.findings(machine.examine(out))
