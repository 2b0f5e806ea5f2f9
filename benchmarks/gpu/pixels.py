"""What batches and faster precisions change in pictures, in grey levels of 0 to 255, and in metrics."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from . import clock, networks
from .bench import BF16, FASTER, FP16, FP32, TF32, USUAL, Bench, Found, Precision, Row, Value
from .ours import ClipScore, Concept, Host, Likeness, Sample, generate, jobs, original, pictures, rows_of_suite

SHOWN = 4  # pictures that are compared
CPU, AGAIN = "the CPU against the GPU", "a second time"
NAMES = {"emoji-sd": "emoji-sd, trained, 64 pixels", "sd14": "SD v1.4's shapes, random weights"}


def differences(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Batch 1 of each precision against fp32, then larger batches against batch 1 of their own precision."""
    del found
    pairs, alone = plan(bench), cache(partial(made, bench, batch=1))
    yield len(pairs)
    for model, precision, what in pairs:
        yield {"model": NAMES[model], "precision": precision.name, "compared": what} | clock.fitting(
            lambda: apart(*pair(bench, alone, model, precision, what))  # noqa: B023 - called at once
        )


def plan(bench: Bench) -> list[tuple[str, Precision, str]]:
    """What is compared: a model, a precision, and what differs."""
    batches = (2,) if bench.tiny else (8, 16)
    pairs = [] if bench.device == "cpu" else [("emoji-sd", FP32, CPU)]
    pairs += [(model, one, "against fp32") for model in NAMES for one in (USUAL, *FASTER)]
    pairs += [(model, FP32, AGAIN) for model in NAMES]
    for model, precisions in {"emoji-sd": (FP16, FP32, TF32, USUAL, BF16), "sd14": (FP16, FP32)}.items():
        pairs += [(model, one, f"batch {batch} against 1") for one in precisions for batch in batches]
    return pairs


def pair(
    bench: Bench, alone: Callable[[str, Precision], Tensor], model: str, precision: Precision, what: str
) -> tuple[Tensor, Tensor]:
    """The two sets of pictures."""
    if what == CPU:
        return made(replace(bench, device="cpu"), model, FP32, 1), alone(model, FP32)
    if what == AGAIN:
        return made(bench, model, FP32, 1), alone(model, FP32)
    if what.startswith("batch"):
        return made(bench, model, precision, int(what.split()[1])), alone(model, precision)
    return alone(model, precision), alone(model, FP32)


def host_of(bench: Bench, model: str, precision: Precision) -> Host:
    return networks.host(bench, precision) if model == "sd14" else networks.emoji(bench.device, precision.dtype)


def made(bench: Bench, model: str, precision: Precision, batch: int) -> Tensor:
    """The first pictures of equal jobs, made in batches of so many."""
    host, small = host_of(bench, model, precision), model == "emoji-sd"
    some = jobs(max(SHOWN, batch), 64 if small else bench.size, bench.several(2, 20) if small else bench.steps)
    with clock.rounding(precision):
        parts = [pictures(host, original(host), some[i : i + batch])[0] for i in range(0, SHOWN, batch)]
    return torch.cat(parts)[:SHOWN]


def apart(one: Tensor, other: Tensor) -> dict[str, Value]:
    """How far apart two sets of pictures are."""
    off = (one.int() - other.int()).abs()
    return {
        "mean": float(off.float().mean()),
        "largest": int(off.max()),
        "share that differs": float((off > 0).float().mean()),
        "share by more than 1": float((off > 1).float().mean()),
    }


def metrics(bench: Bench, found: Found) -> Iterator[Row | int]:
    """Metrics of the same rows of a suite, made by emoji-sd in every precision; and how often a verdict changes."""
    del found
    n, steps = bench.several((4, 2), (96, None))
    exact: list[dict[str, float]] = []
    with TemporaryDirectory() as folder:
        yield 2 + len(FASTER)
        for precision in (FP32, FP16, BF16, TF32, USUAL):
            dtype = str(precision.dtype).removeprefix("torch.")
            with clock.rounding(precision):
                some = drawn(bench, precision, rows_of_suite(n, dtype, steps), Path(folder) / precision.name)
            scores = scored(some)
            exact = exact or scores
            yield {"precision": precision.name, "pictures": len(some), **means(scores), **spread(some)} | {
                "judge.object changes": sum(
                    a["judge.object"] != b["judge.object"] for a, b in zip(scores, exact, strict=True)
                )
            }


def drawn(bench: Bench, precision: Precision, rows: Sequence[Sample], folder: Path) -> list[Sample]:
    """The rows with their pictures."""
    place = generate(networks.emoji(bench.device, precision.dtype), [row.job for row in rows], folder, 32)
    return [replace(row, image=place(row.job)) for row in rows]


def scored(some: Sequence[Sample]) -> list[dict[str, float]]:
    """The metrics of every picture."""
    each = zip(*(scorer.score(some) for scorer in (Concept(), ClipScore())), strict=True)
    return [{s.metric: s.value for part in parts for s in part if s.value is not None} for parts in each]


def means(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    """Means over the pictures, of what is asked of a picture that is to be kept."""
    names = [name for name in scores[0] if name.endswith((".object", ".style", ".object_p", ".nothing", ".x100"))]
    return {name: statistics.fmean(score[name] for score in scores if name in score) for name in names}


def spread(some: Sequence[Sample]) -> dict[str, float | None]:
    return {score.metric: score.value for score in Likeness().score_set(some, ())}
