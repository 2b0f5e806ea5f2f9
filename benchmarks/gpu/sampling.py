"""Pictures a second: the ceiling, the usual script, our loop, our loop compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from . import clock, networks
from .bench import FASTER, FP16, FP32, TF32, USUAL, Bench, Found, Precision, Row, Value
from .ours import Host, generate, jobs, original, pictures


def ceiling(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Rates of a large square matrix product."""
    del found
    side, calls = bench.several(256, 8192), 10
    yield 1 + len(FASTER)
    for precision in (FP32, *FASTER):
        a, b = (torch.randn(side, side, device=bench.device).to(precision.dtype) for _ in range(2))

        def products(a: torch.Tensor = a, b: torch.Tensor = b) -> None:
            for _ in range(calls):
                a @ b

        with clock.rounding(precision):
            products()
            took, _ = clock.median(products, 3)
        yield {"precision": precision.name, "side": side, "TFLOP/s": calls * 2 * side**3 / took / 1e12}


def usual(bench: Bench, found: Found) -> Iterator[Row | int]:
    """The usual script: one prompt at a time through diffusers' pipeline."""
    pipe = networks.pipeline(networks.base(bench), bench.steps)
    yield 3
    for precision in (FP32, USUAL):
        said = {"way": "usual", "precision": precision.name, "batch": 1}
        yield said | timed(bench, precision, found, 1, partial(draw, pipe, bench))
    said = {"way": "usual, PNG written", "precision": USUAL.name, "batch": 1}
    yield said | timed(bench, USUAL, found, 1, partial(saved, pipe, bench))


def draw(pipe: Any, bench: Bench, steps: int) -> Any:
    """One picture as the script makes it."""
    size = {"height": bench.size, "width": bench.size}
    return pipe("a photo of a ghost", num_inference_steps=steps, guidance_scale=7.5, **size).images[0]


def saved(pipe: Any, bench: Bench, steps: int) -> None:
    """The same, into a file."""
    with TemporaryDirectory() as folder:
        draw(pipe, bench, steps).save(Path(folder) / "picture.png")


def ours(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Our loop, the cells that say most first."""
    cells = plan(bench)
    yield len(cells)
    for one in cells:
        yield one(bench, found)


def plan(bench: Bench) -> list[Callable[[Bench, Found], Row]]:
    """One batch size with and without files, the others, channels last; float32 throughout, the slowest, at the end."""
    first, *others = bench.batches
    quick, slow = (USUAL, *FASTER), sorted(batch for batch in bench.batches if batch < 32)
    return [
        *(partial(cell, precision=one, batch=first) for one in quick),
        partial(written, precision=FP16, batch=first),
        *(partial(cell, precision=one, batch=batch) for batch in others for one in quick),
        *(partial(cell, precision=one, batch=first, last=True) for one in (FP16, TF32)),
        partial(written, precision=USUAL, batch=first),
        *(partial(cell, precision=FP32, batch=batch) for batch in slow),
    ]


def cell(bench: Bench, found: Found, precision: Precision, batch: int, *, last: bool = False) -> Row:
    """Pictures a second of the loop that `generate` runs, from texts to pixels in the computer's memory."""
    host = networks.host(bench, precision, last=last)
    said = {"way": "ours, channels last" if last else "ours", "precision": precision.name, "batch": batch}
    return said | timed(bench, precision, found, batch, partial(looped, host, bench, batch))


def looped(host: Host, bench: Bench, batch: int, steps: int) -> Any:
    """One batch of pictures."""
    return pictures(host, original(host), jobs(batch, bench.size, steps))


def written(bench: Bench, found: Found, precision: Precision, batch: int) -> Row:
    """The same with everything that `generate` does, the PNG files included."""
    host = networks.host(bench, precision)

    def way(steps: int) -> None:
        with TemporaryDirectory() as folder:
            generate(host, jobs(2 * batch, bench.size, steps), Path(folder), batch)

    said = {"way": "ours, PNG written", "precision": precision.name, "batch": batch}
    return said | timed(bench, precision, found, 2 * batch, way, repeats=1)


def timed(
    bench: Bench, precision: Precision, found: Found, n: int, way: Callable[[int], Any], *, repeats: int = 0
) -> dict[str, Value]:
    """The numbers of a way that makes n pictures in so many steps: warmed up by one step, or two."""

    def numbers() -> dict[str, Value]:
        with clock.rounding(precision), clock.Peak() as peak:
            way(1)
            took, times = clock.median(lambda: way(bench.steps), repeats or bench.repeats)
        rate = n / took
        return {"pictures/s": rate, **compared(bench, precision, found, rate), "GiB above the weights": peak.above} | {
            "calls": times
        }

    return clock.fitting(numbers)


def compared(bench: Bench, precision: Precision, found: Found, rate: float) -> dict[str, Value]:
    """The rate against the usual script's, and the share of the ceiling that the networks' operations make of it."""
    of_usual = {row["precision"]: row.get("pictures/s") for row in found.get("usual", ()) if row["way"] == "usual"}
    ceilings = {row["precision"]: row["TFLOP/s"] for row in found.get("ceiling", ())}
    step, decoding = networks.operations(bench)
    work, most = (bench.steps * step + decoding) * rate / 1e12, ceilings.get(precision.name)
    times = {f"times usual, {p.name}": of_usual.get(p.name) for p in (FP32, USUAL)}
    return {
        **{name: rate / other if other else None for name, other in times.items()},
        "TFLOP/s": work,
        "share of the ceiling": work / most if most else None,
    }


def compiled(bench: Bench, found: Found) -> Iterator[Row | int]:
    """The U-Net through torch.compile at one batch size, its pictures against those of the plain one."""
    batch, plain = bench.batches[0], networks.host(bench, FP16)
    exact: Any = None
    yield 2
    for name, host in {"off": plain, "on": through_compiler(bench, plain)}.items():
        way = partial(looped, host, bench, batch)
        first = clock.seconds(partial(way, bench.steps))
        row = {"compile": name, "precision": FP16.name, "batch": batch, "first call, s": first}
        shown = way(bench.steps)[0].float()
        exact = shown if exact is None else exact
        yield row | timed(bench, FP16, found, batch, way) | {"mean grey levels": float((shown - exact).abs().mean())}


def through_compiler(bench: Bench, host: Host) -> Host:
    """The tiny run leaves code generation out: it would take longer than all else."""
    return replace(host, unet=torch.compile(host.unet, backend="aot_eager" if bench.tiny else "inductor"))
