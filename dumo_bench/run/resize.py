"""A suite on another model than its own: every size in proportion to the pictures that this model was made for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from dumo_bench.types import Prompt, Sampling, Suite

T = TypeVar("T", Prompt, Sampling)
_STEP = 8  # pixels a latent


def side(folder: Path) -> int | None:
    """Pixels along one side of what a diffusers model draws best; None where its configuration does not say."""
    try:
        latents = json.loads((folder / "unet" / "config.json").read_text())["sample_size"]
        levels = json.loads((folder / "vae" / "config.json").read_text())["block_out_channels"]
    except (OSError, ValueError, KeyError):
        return None
    return int(latents) * int(2 ** (len(levels) - 1))


def fitted(suite: Suite, to: int | None) -> Suite:
    """The suite for a model of `to` pixels a side; unchanged for None.

    A row of 512 x 384 in a suite of 512 x 512 becomes 64 x 48 on a model of 64. Sizes stay multiples of 8.
    """
    written = max(suite.sampling.height, suite.sampling.width)
    if to is None or to == written:
        return suite

    def scaled(thing: T) -> T:
        own = {name: getattr(thing, name) for name in ("height", "width")}
        new = {name: max(_STEP, _STEP * round(n * to / written / _STEP)) for name, n in own.items() if n is not None}
        return replace(thing, **new) if new else thing

    return replace(suite, sampling=scaled(suite.sampling), prompts=tuple(scaled(prompt) for prompt in suite.prompts))
