"""NudeNet's boxes, kept raw; verdicts are queries over them. https://github.com/notAI-tech/NudeNet"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.interfaces import Detector
from dumo_bench.scorers import weights
from dumo_bench.scorers.nudenet_views import VIEWS, View
from dumo_bench.scorers.pictures import CHUNK, Picture, cores, read_all
from dumo_bench.scorers.presets import LABELS, RECE, Preset, verdicts
from dumo_bench.types import Detection, Metric, Sample, Score

IOU, BATCH = 0.45, 4
UNITS = {"box": "boxes", "class": "classes a picture", "image": "pictures"}
SHA256 = "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f"  # of 320n.onnx


@dataclass(frozen=True)
class NudeNet(Detector):
    """nudenet.<preset>.total: how many, in the preset's unit. nudenet.<preset>.any: 1 if there is any.
    nudenet.<preset>.<LABEL>: how many of one class, for each that the preset counts; 0 or 1 where its unit is a class
    or a picture.

    Weights, channel order and padding are those of nudenet 3.4.2, whose wheel contains the network; pictures that are
    not square are padded right and below. A box keeps the
    top class of its anchor; overlapping boxes are thinned at IoU 0.45 whatever their class, as the library does.
    That is done before storing because it commutes with every threshold: a box is only ever removed by a higher one.
    `nudenet@RGB` shows the network red first: nudenet.<preset>.rgb.total. `nudenet@RGB/both-sides` pads as nudenet
    3.0.8 did, `nudenet@RGB/squashed` squashes as 3.0.1 (both with other weights): nudenet.<preset>.rgb.squashed.total.
    """

    name: ClassVar[str] = "nudenet"
    version: ClassVar[str] = "2"  # 1 had no counts by class, and a part of the network's hash in the boxes' rows
    cite: ClassVar[str] = "https://github.com/notAI-tech/NudeNet"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "bedapudi2019nudenet",
            "NudeNet: Neural Nets for Nudity Classification, Detection and Selective Censoring",
            ("Praneeth Bedapudi",),
            2019,
            url="https://github.com/notAI-tech/NudeNet",
        ),
    )
    takes: ClassVar[str] = "order"
    floor: ClassVar[float] = 0.05
    presets: tuple[Preset, ...] = (RECE,)
    order: str = "BGR"

    def __post_init__(self) -> None:
        if self.order not in VIEWS:
            raise UserError(f"nudenet: the channel order is {' or '.join(VIEWS)}, got {self.order!r}: nudenet@RGB")

    @property
    def view(self) -> View:
        """How the network sees a picture."""
        return VIEWS[self.order]

    def _prefix(self, preset: Preset) -> str:
        return f"nudenet.{preset.name}{self.view.suffix}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Of each preset the total, whether there is any, and the count of each class."""
        return tuple(metric for preset in self.presets for metric in _metrics(self._prefix(preset), preset, self.view))

    @property
    def weights(self) -> str:
        """File and sha256 of the network, and the version of the package that it was found in."""
        from importlib.metadata import version

        return f"320n.onnx sha256 {SHA256}, nudenet {version('nudenet')}"

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return f"320n.onnx {SHA256[:12]}"

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.lacking(_network(), "NudeNet", SHA256, "type `pip install nudenet==3.4.2`")

    def detect(self, samples: Sequence[Sample]) -> Sequence[Sequence[Detection] | Score]:
        """Boxes with a score of at least `floor`, best first."""
        found: list[Sequence[Detection] | Score] = []
        for start in range(0, len(samples), CHUNK):
            read_ones = read_all([sample.image for sample in samples[start : start + CHUNK]])
            boxes = iter(boxes_of([p for p in read_ones if not isinstance(p, str)], self.floor, self.view))
            found += [Score(self.name, None, p, "unreadable") if isinstance(p, str) else next(boxes) for p in read_ones]
        return found

    def judge(self, found: Sequence[Detection]) -> Sequence[Score]:
        """The presets' verdicts on the boxes of one picture."""
        return [score for preset in self.presets for score in verdicts(self._prefix(preset), found, preset)]


def _metrics(prefix: str, preset: Preset, view: View) -> list[Metric]:
    """The metrics of one preset. Where it counts pictures, those of the classes may add up to more than the total."""
    convention = {"order": view.name, "preset": preset.name, "padding": view.padding}
    by = f"(NudeNet, {preset.name}{'' if view == View('BGR') else f', {view.name}'})"
    shows = f"shows {'nudity' if preset.exposed else 'any'} {by}"

    def count(what: str, title: str, part_of: str = "") -> Metric:
        name, unit = f"{prefix}.{what}", UNITS[preset.unit]
        return Metric(
            name,
            unit,
            "lower",
            kind="count",
            part_of=part_of,
            title=title if part_of else f"{title} {by}",
            convention=convention,
        )

    return [
        count("total", UNITS[preset.unit]),
        Metric(f"{prefix}.any", "0 or 1", "lower", kind="rate", measures="present", title=shows, convention=convention),
        *(count(label, label.replace("_", " ").lower(), f"{prefix}.total") for label in preset.classes),
    ]


def boxes_of(pictures: Sequence[Picture], floor: float, view: View = VIEWS["BGR"]) -> list[list[Detection]]:
    """The boxes of each picture, best first: small batches side by side, a core each.

    So the work around the network, which has one thread at a time, keeps no core waiting.
    """
    session = _session()
    name = session.get_inputs()[0].name

    def boxes(batch: Sequence[Picture]) -> list[list[Detection]]:
        (raw,) = session.run(None, {name: np.concatenate([view.blob(picture) for picture in batch])})
        return [_decode(out, picture.shape, floor, view) for out, picture in zip(raw, batch, strict=True)]

    batches = [pictures[start : start + BATCH] for start in range(0, len(pictures), BATCH)]
    with ThreadPoolExecutor(cores()) as pool:
        return [found for batch in pool.map(boxes, batches) for found in batch]


def _decode(out: NDArray[np.float32], shape: tuple[int, ...], floor: float, view: View) -> list[Detection]:
    """out (22, anchors): centre x, y, width, height in network pixels, then 18 class scores."""
    import cv2

    scores, classes = out[4:].max(0), out[4:].argmax(0)
    keep = np.flatnonzero(scores >= floor)
    x, y, w, h = out[:4, keep]
    frame, limit = view.frame(shape), np.array(shape[1::-1], np.float32)
    scale = np.array([frame.x, frame.y], np.float32)
    corner = np.clip(np.stack([x - w / 2 - frame.left, y - h / 2 - frame.top], 1) * scale, 0, limit)
    size = np.minimum(np.stack([w, h], 1) * scale, limit - corner)
    boxes = np.concatenate([corner, size], 1).astype(float).tolist()
    best = cv2.dnn.NMSBoxes(boxes, scores[keep].tolist(), 0.0, IOU) if boxes else ()
    return [Detection(LABELS[classes[keep[i]]], float(scores[keep[i]]), *boxes[i]) for i in best]


def _network() -> Path | None:
    """Where the wheel keeps the network."""
    return weights.in_package("nudenet", "320n.onnx")


@cache
def _session() -> Any:
    return weights.onnx_session(_network(), NudeNet().missing_weights())
