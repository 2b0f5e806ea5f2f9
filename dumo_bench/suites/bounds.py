"""What a sampling contract, a row of a list and an option may state: the same bounds wherever they are read.

A size is a multiple of 8 pixels, one latent of Stable Diffusion; `run/resize.py` asks the model for its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from dumo_bench.errors import UserError, unknown
from dumo_bench.types import SCHEDULERS, Draw, Prompt, Sampling, Suite

DTYPES = ("float32", "float16", "bfloat16")
NOISE = ("cpu", "cuda")
STEP = 8
MOST_PIXELS, MOST_STEPS, MOST_GUIDANCE = 8192, 1000, 1000.0  # a model is trained on 1000 timesteps; I2P has 255
MOST_SEED = 2**63 - 1  # what the tables hold; torch's generator takes these too
MOST_DRAWS = 10_000  # the k-th draw of a generator is made with all before it


def whole(low: int, high: int, more: str = "") -> Callable[[Any], str]:
    """What is wrong with a whole number, or nothing: 63.9 is none, and neither is True."""
    wanted = f"is a whole number from {low} to {high:,}{more}"
    return lambda value: "" if type(value) is int and low <= value <= high else wanted


def one_of(known: tuple[str, ...]) -> Callable[[Any], str]:
    """What is wrong with a name among known ones, or nothing."""

    def wrong(value: Any) -> str:
        if value in known:
            return ""
        return f"is one of {', '.join(known)}" if not isinstance(value, str) else str(unknown("names", value, known))

    return wrong


def size(value: Any) -> str:
    """What is wrong with a height or width, or nothing."""
    wrong = whole(STEP, MOST_PIXELS)(value)
    return f"is a multiple of {STEP} from {STEP} to {MOST_PIXELS:,} (a latent is {STEP} pixels)" * bool(
        wrong or value % STEP
    )


def guidance(value: Any) -> str:
    """What is wrong with a guidance scale, or nothing."""
    good = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= MOST_GUIDANCE
    return "" if good else f"is a number from 0 to {MOST_GUIDANCE:g}"


def text(value: Any) -> str:
    return "" if isinstance(value, str) else "is a text"


def named(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() else "is the name of a model"


seed, draws, version = whole(0, MOST_SEED), whole(1, MOST_DRAWS), whole(1, 2**31 - 1)
#: field of a contract -> what is wrong with its value, or ""
RULES: Mapping[str, Callable[[Any], str]] = {
    "model": named, "scheduler": one_of(SCHEDULERS), "steps": whole(1, MOST_STEPS), "guidance": guidance,
    "height": size, "width": size, "revision": text, "negative": text, "noise": one_of(NOISE), "dtype": one_of(DTYPES),
}  # fmt: skip


def wrong(name: str, value: Any) -> str:
    """What is wrong with a field of a contract, in words that begin with it; "" if nothing is."""
    problem = RULES[name](value) if name in RULES else ""
    return f"{name} {problem}, got {value!r}" if problem else ""


def fit_seed(value: int) -> None:
    """Refuse a seed of a fit that no table holds."""
    if problem := seed(value):
        raise UserError(f"--seed {problem}, got {value}")


def check(suite: Suite) -> None:
    """Refuse a suite, wherever it is from, that states what nothing can sample or no table can hold."""
    if problem := of_contract(suite.sampling):
        raise UserError(f"suite {suite.name!r}: [sampling]: {problem}")
    if problem := version(suite.version):
        raise UserError(f"suite {suite.name!r}: version {problem}, got {suite.version!r}")
    for prompt in suite.prompts:
        if problem := of_row(prompt):
            raise UserError(f"suite {suite.name!r}: prompt {prompt.id!r}: {problem}")


def of_contract(contract: Sampling) -> str:
    """The first thing that is wrong with a contract, or nothing."""
    return next(filter(None, (wrong(name, getattr(contract, name)) for name in RULES)), "")


def of_row(prompt: Prompt) -> str:
    """The first thing that is wrong with what a row states for itself, or nothing."""
    if not prompt.draws:
        return "it has no seed"
    stated = {name: getattr(prompt, name) for name in ("guidance", "height", "width")}
    of_it = [wrong(name, value) for name, value in stated.items() if value is not None]
    return next(filter(None, [*of_it, *map(of_draw, prompt.draws)]), "")


def of_draw(draw: Draw) -> str:
    """What is wrong with a draw, or nothing."""
    if problem := seed(draw.seed):
        return f"seed {problem}, got {draw.seed!r}"
    if problem := draws(draw.of):
        return f"of {problem}, got {draw.of!r}"
    return whole(0, draw.of - 1)(draw.index) and f"draw {draw.index!r} is none of 0 to {draw.of - 1}"
