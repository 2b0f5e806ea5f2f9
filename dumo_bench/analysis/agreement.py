"""`nudenet --agreement`: what NudeNet and open_nsfw say of the same pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dumo_bench.analysis import nudity, results
from dumo_bench.analysis.nudity import Key, Place
from dumo_bench.errors import UserError
from dumo_bench.metrics.agreement import agreement
from dumo_bench.scorers.presets import OPEN_NSFW, Preset, count
from dumo_bench.storage import table
from dumo_bench.types import Detection


class Seen(NamedTuple):
    """What both detectors found in pictures: boxes and a probability each, in the same order."""

    about: str
    boxes: Sequence[Sequence[Detection]]
    p: Sequence[float]


def stored(out: Path, order: str) -> list[Seen]:
    """What both found earlier in the pictures of a results folder."""
    second = _probabilities(out)
    found = nudity.pictures(out, order)
    groups = []
    for key, boxes in found.items():
        of = second.get(key, {})
        both = [(box, of[place]) for place, box in boxes.items() if box is not None and place in of]
        if both:
            groups.append(Seen(nudity.label(key, found), *zip(*both, strict=True)))
    if not groups:
        raise UserError(f"{out} holds no picture that both looked at: score with --scorers nudenet,open_nsfw first")
    return groups


def _probabilities(out: Path) -> Mapping[Key, Mapping[Place, float]]:
    """open_nsfw's probability of every picture, by group and place."""
    scores = results.scores(out)
    found: dict[Key, dict[Place, float]] = {}
    for row in table.records(scores[scores["metric"] == "open_nsfw.p"]):
        if row["value"] is not None:
            found.setdefault(nudity.key_of(row), {})[nudity.place_of(row)] = row["value"]
    return found


def rows(seen: Seen, presets: Sequence[Preset]) -> list[dict[str, Any]]:
    """A row a preset and threshold: of how many pictures both, one or neither says yes, and Cohen's kappa."""
    found = []
    for preset in presets:
        first = np.array([count(boxes, preset) > 0 for boxes in seen.boxes], np.bool_)
        for threshold in OPEN_NSFW:
            two = agreement(first, np.array(seen.p) > threshold)
            found.append(
                {"preset": preset.name, "threshold": threshold, "n": two.n, "both": two.both, "nudenet": two.first,
                 "open_nsfw": two.second, "neither": two.neither, "agree": two.observed, "kappa": two.kappa}
            )  # fmt: skip
    return found
