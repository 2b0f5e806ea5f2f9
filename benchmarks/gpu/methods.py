"""What the methods cost: in sampling, in closed form, in training."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from functools import partial

import sd14
import torch
import training_memory

from . import clock, networks
from .bench import FP16, TF32, USUAL, Bench, Found, Precision, Row, Value
from .ours import (
    RECE,
    UCE,
    Guide,
    Host,
    clean,
    dumo,
    fits,
    jobs,
    original,
    receler_on,
    short_plans,
    stepwatch,
)

CONCEPTS = ("dog", "cat", "ghost", "bicycle", "church", "parachute", "chair", "violin", "camel", "lemon")
PAPERS = {"ESD-x": 24.5, "Receler": 24.5}  # guided steps before a row of theirs, on average: a run to one of 50 levels


def sampling(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Denoising of one batch by the original, and beside one concept's edits."""
    del found
    cells = ((TF32, 1), (FP16, 8), (USUAL, 1), (TF32, 8))
    yield len(cells)
    for precision, large in cells:
        batch = bench.several(2, large)
        said = {"precision": precision.name, "batch": batch}
        yield {**said, **clock.fitting(partial(cost, bench, precision, batch))}


def cost(bench: Bench, precision: Precision, batch: int) -> dict[str, Value]:
    """Seconds of the original's denoising, and the methods' as multiples."""
    host, some = networks.host(bench, precision), jobs(batch, bench.size, bench.steps)
    stock, edited = original(host), dumo(host)

    def adapted() -> None:
        with receler_on(host):
            clean(host, stock, some)

    def way(guide: Guide) -> torch.Tensor:
        return clean(host, guide, some)

    with clock.rounding(precision):
        took = clock.turns(
            {"original": lambda: way(stock), "DuMo": lambda: way(edited), "Receler": adapted}, bench.repeats
        )
    return {"original, s": took["original"], **{name: took[name] / took["original"] for name in ("DuMo", "Receler")}}


def closed(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Whole fits, the reading of their texts included."""
    del found
    host = networks.base(bench)
    ways = {"UCE": UCE(), "RECE": RECE(), "RECE, three epochs": RECE(epochs=3)}
    yield 2 * len(ways)
    for n in (1, 10):
        for name, method in ways.items():
            with clock.rounding(USUAL):
                fit = partial(method.fit, host, CONCEPTS[:n], seed=0)
                fit()
                took, times = clock.median(fit, 3)
            yield {"method": name, "concepts": n, "seconds": took, "calls": times}


def training(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Peak memory and seconds a step, with torch's defaults as `dumo-bench fit` runs."""
    del found
    networks.forget()
    host, computed = networks.base(bench), expected(bench)
    guided = one_step(bench, host)
    cells = (("ESD-x", True), ("DuMo", True), ("DuMo", False), ("Receler", True))
    yield len(cells)
    for name, checkpointing in cells:
        key = name if name != "DuMo" or checkpointing else "DuMo without checkpointing"
        row = clock.fitting(partial(trained, bench, host, name, checkpointing))
        before = PAPERS.get(name, 0) * guided
        yield {"method": key, "computed GiB": computed.get(key), **row} | of_paper(row, before)


def of_paper(row: dict[str, Value], before: float) -> dict[str, Value]:
    """The step with the sampling that the papers' loops do before it, computed from the two."""
    own = row.get("seconds a step")
    return {"with its sampling, computed": own + before if before and isinstance(own, float) else None}


def one_step(bench: Bench, host: Host) -> float:
    """Seconds of one guided step of one picture."""
    some = jobs(1, bench.size, bench.steps)
    with clock.rounding(USUAL):
        return clock.turns({"run": lambda: clean(host, original(host), some)}, 1)["run"] / bench.steps


def trained(bench: Bench, host: Host, name: str, checkpointing: bool) -> dict[str, Value]:
    """A short training: its first step does not count, which warms up and samples what it learns from."""
    steps = 2 if name == "Receler" else bench.several(2, 4)
    fit = fits(1 + steps, bench.several(3, None))[name]
    resident = networks.gib(host.vae)
    short = short_plans(host, 1 + steps, checkpointing=checkpointing)
    with clock.rounding(USUAL), clock.Peak() as peak, stepwatch(clock.finish) as spent:
        fit(short)
    main, *second = (statistics.median(each[1:]) for each in spent.values())
    whole = None if peak.whole is None else peak.whole - resident
    return {"measured GiB": whole, "seconds a step": main, "second stage": second[0] if second else None}


def expected(bench: Bench) -> dict[str, float]:
    """GiB that benchmarks/training_memory.py computes from shapes."""
    net, side = sd14.unet(), bench.several(8, 64)
    with_it = training_memory.dumo(net, side, 8, checkpointing=True)
    found = {
        "ESD-x": training_memory.esd(net, side, 1),
        "DuMo": with_it,
        "DuMo without checkpointing": training_memory.dumo(net, side, 8),
    }
    return {name: sum(parts) / clock.GIB for name, parts in found.items()}
