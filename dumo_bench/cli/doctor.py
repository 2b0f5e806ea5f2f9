"""`doctor`: what this machine can do, and what to type to get what is missing."""

from __future__ import annotations

from pathlib import Path

from dumo_bench.cli.options import Json, Out


def doctor(out: Out = Path("results"), as_json: Json = False) -> None:
    """What this machine can do, and what to type to get what is missing."""
    from dumo_bench.cli import output, show
    from dumo_bench.run import machine

    found = machine.examine(out)
    if as_json:
        output.emit("doctor", {"findings": (one._asdict() for one in found)}, {"good": "a fact, neither good nor bad"})
    else:
        show.findings(found)
