"""Run the stages one after another, each within its time, and write what is known after every row."""

from __future__ import annotations

import argparse
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from . import clock, networks, record
from .bench import Bench, Found, Result, Stage
from .ours import jobs, original, pictures
from .stages import STAGES


def main() -> None:
    began = time.monotonic()
    asked = argparse.ArgumentParser(prog="gpu", description=__doc__)
    asked.add_argument("--minutes", type=float, default=10, help="in all, the start included")
    asked.add_argument("--tiny", action="store_true", help="tiny networks on the CPU, to try the stages")
    asked.add_argument("--out", type=Path, default=Path(__file__).parents[1], help="folder for the results")
    asked.add_argument("--only", nargs="+", choices=[stage.name for stage in STAGES], help="these stages alone")
    request = asked.parse_args()
    if not request.tiny and not torch.cuda.is_available():
        asked.error("there is no CUDA device here; --tiny tries the stages on the CPU")
    request.out.mkdir(parents=True, exist_ok=True)
    stages = [stage for stage in STAGES if not request.only or stage.name in request.only]
    if request.tiny:
        stages = [replace(stage, least=0) for stage in stages]
    every(Bench(request.tiny, "cpu" if request.tiny else "cuda"), stages, began + 60 * request.minutes, request.out)


def every(bench: Bench, stages: list[Stage], end: float, out: Path) -> None:
    """All stages; what one leaves of its time is shared by those that follow."""
    took = prepared(bench)
    step, decoding = (float(f"{n / 1e12:.3g}") for n in networks.operations(bench))
    counted = {"TFLOP a guided step": step, "TFLOP a decoding": decoding, "seconds to start": round(took, 1)}
    about, done = {**record.machine(bench), **counted}, list[Result]()
    for i, stage in enumerate(stages):
        limit = clock.allotted(stages[i:], end - time.monotonic())
        found = {result.stage.name: result.rows for result in done}
        ended = one(bench, stage, found, limit, lambda now: record.write(out, bench, about, [*done, now]))
        done.append(ended)
        print(f"{stage.name}: {ended.state} in {ended.seconds:.1f} of {limit:.0f} s {ended.error}", flush=True)
        clock.freed()


def prepared(bench: Bench) -> float:
    """Seconds of importing the libraries, building the networks and the first step, which no stage is to pay for."""
    began = time.monotonic()
    networks.quiet()
    host = networks.base(bench)
    networks.pipeline(host, 1)
    pictures(host, original(host), jobs(1, bench.size, 1))
    print(f"start: {time.monotonic() - began:.1f} s", flush=True)
    return time.monotonic() - began


def one(bench: Bench, stage: Stage, found: Found, limit: float, say: Callable[[Result], None]) -> Result:
    """A stage's rows as they come; what it raises is its result and ends it alone."""
    now, began = Result(stage), time.monotonic()
    if limit < stage.least:
        now = replace(now, state="out of time", error=f"not begun with {max(limit, 0):.0f} of {stage.least:.0f} s")
        say(now)
        return now
    try:
        with clock.within(limit), torch.no_grad() if stage.name != "training" else torch.enable_grad():
            for row in stage.rows(bench, found):
                if isinstance(row, int):
                    now = replace(now, cells=row)
                    continue
                now = replace(now, rows=(*now.rows, row), seconds=time.monotonic() - began)
                print("  ", "  ".join(f"{name} {record.shown(value)}" for name, value in row.items()), flush=True)
                say(now)
        now = replace(now, state="done")
    except clock.OutOfTime as error:
        now = replace(now, state="out of time", error=str(error))
    except Exception as error:
        traceback.print_exc()
        now = replace(now, state="failed", error=record.one_line(error))
    now = replace(now, seconds=time.monotonic() - began)
    say(now)
    return now


if __name__ == "__main__":
    main()
