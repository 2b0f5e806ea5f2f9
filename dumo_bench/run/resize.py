"""A suite on another model than its own: every size in proportion to the pictures that this model was made for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dumo_bench.errors import UserError
from dumo_bench.hosts import kinds, models
from dumo_bench.suites.bounds import STEP
from dumo_bench.types import Prompt, Sampling, Suite

T = TypeVar("T", Prompt, Sampling)


def side(folder: Path) -> int | None:
    """Pixels along one side of what a diffusers model draws best; None where its configuration does not say."""
    kind, index = models.kind(folder) or kinds.SD, models.index(folder)
    try:
        latents = index.get(models.SIDE) or _config(folder, kind.network).get("sample_size") or kind.side
        return int(latents) * int(2 ** (len(_config(folder, "vae")["block_out_channels"]) - 1)) if latents else None
    except (OSError, ValueError, KeyError):
        return None


def step(folder: Path) -> int:
    """Pixels of one latent, or of one patch, of which a picture's sides are multiples; 8 where nothing says it."""
    kind = models.kind(folder) or kinds.SD
    try:
        return int(2 ** (len(_config(folder, "vae")["block_out_channels"]) - 1)) * kind.patch
    except (OSError, ValueError, KeyError):
        return STEP * kind.patch


def _config(folder: Path, part: str) -> dict[str, Any]:
    return dict(json.loads((models.part(folder, part) / "config.json").read_text(encoding="utf-8")))


def possible(suite: Suite, folder: Path) -> None:
    """Refuse sizes that the model cannot draw, before anything is fitted."""
    one = step(folder)
    for thing in (suite.sampling, *suite.prompts):
        for name in ("height", "width"):
            if (n := getattr(thing, name)) is not None and n % one:
                of = f"prompt {thing.id!r}" if isinstance(thing, Prompt) else "[sampling]"
                raise UserError(
                    f"{suite.name}: {of}: {name} is a multiple of {one} (what the model draws at once), got {n}"
                )


def fitted(suite: Suite, to: int | None) -> Suite:
    """The suite for a model of `to` pixels a side; unchanged for None.

    A row of 512 x 384 in a suite of 512 x 512 becomes 64 x 48 on a model of 64. Sizes stay multiples of 8.
    """
    written = max(suite.sampling.height, suite.sampling.width)
    if to is None or to == written:
        return suite

    def scaled(thing: T) -> T:
        own = {name: getattr(thing, name) for name in ("height", "width")}
        new = {name: max(STEP, STEP * round(n * to / written / STEP)) for name, n in own.items() if n is not None}
        return replace(thing, **new) if new else thing

    return replace(suite, sampling=scaled(suite.sampling), prompts=tuple(scaled(prompt) for prompt in suite.prompts))
