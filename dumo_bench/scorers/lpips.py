"""LPIPS: how far a picture is from the unedited model's. Zhang et al., CVPR 2018, https://arxiv.org/abs/1801.03924

Alex, version 0.1, with the package's published weights; its AlexNet is torchvision's, trained on ImageNet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.interfaces import Scorer
from dumo_bench.scorers import weights
from dumo_bench.scorers.pictures import Picture, originals, scored
from dumo_bench.storage import files
from dumo_bench.types import Metric, Sample, Score

ALEXNET = "alexnet-owt-7be5be79.pth"
BATCH = 8
Pair: TypeAlias = tuple[Picture, Picture]


def _metric(name: str, size: str, title: str) -> Metric:
    unit = "weighted squared distance of features"
    return Metric(name, unit, "lower", measures="distance", title=title, digits=3, convention={"size": size})


SMALL = _metric("lpips_alex_64_cv2", "64 x 64, cv2", "LPIPS at 64 x 64")
NATIVE = _metric("lpips_alex_native", "native", "LPIPS")
SHORT = _metric("lpips_alex_64_pil", "short side 64, PIL, antialiased", "LPIPS at 64, antialiased")
SIDE = 64


@dataclass(frozen=True)
class Lpips(Scorer):
    """The distance to the unedited model's picture of the same prompt and draw; 0 for equal pictures.

    lpips_alex_64_cv2: both shrunk by cv2's bilinear, without antialiasing, to 64 x 64, as RECE and DuMo do, which
    hides fine changes. lpips_alex_native: at the size they were made in. lpips_alex_64_pil: the shorter side shrunk to
    64 by PIL's bilinear, which antialiases, as UCE's script does by torchvision's Resize(64) (and ESD's before it).
    `lpips@FILE` takes the AlexNet from a file.
    """

    name: ClassVar[str] = "lpips"
    version: ClassVar[str] = "2"  # 1 had no lpips_alex_64_pil
    cite: ClassVar[str] = "https://arxiv.org/abs/1801.03924"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "zhang2018lpips",
            "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
            ("Richard Zhang", "Phillip Isola", "Alexei A. Efros", "Eli Shechtman", "Oliver Wang"),
            2018,
            venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            arxiv="1801.03924",
        ),
    )
    takes: ClassVar[str] = "model"
    metrics = (SMALL, NATIVE, SHORT)
    model: str | Path = ""
    device: str = "auto"

    @property
    def _alexnet(self) -> Path:
        return Path(self.model) if self.model else hub_folder() / ALEXNET

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return weights.label(self._alexnet)

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        if find_spec("lpips") is None:
            return "the package lpips is missing: type `pip install 'dumo-bench[lpips]'`"
        problem = weights.another(self._alexnet) if self._alexnet.is_file() else f"{self._alexnet} is missing:"
        command = "import torchvision; torchvision.models.alexnet(weights='IMAGENET1K_V1')"
        return problem and f'{problem} type `python -c "{command}"`, which downloads it'

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.metrics, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        distance = _load(self._alexnet, weights.device(self.device))
        before = originals(samples)
        pairs = [(x, y) for x, y in zip(pictures, before, strict=True) if not isinstance(y, str)]
        alike = [(x, y) for x, y in pairs if x.shape == y.shape]
        near = Known(distance)
        small, whole, short = (iter(near(each)) for each in (through(shrunk, pairs), alike, through(shortened, alike)))
        rows = []
        for x, y in zip(pictures, before, strict=True):
            if isinstance(y, str):
                why = f"unedited model: {y}"
                rows.append([Score(metric.name, None, why, "no reference") for metric in self.metrics])
                continue
            sizes = f"sizes differ: {x.shape[1]} x {x.shape[0]} and {y.shape[1]} x {y.shape[0]}"
            rest = [
                Score(metric.name, next(of)) if x.shape == y.shape else Score(metric.name, None, sizes, "no reference")
                for metric, of in ((NATIVE, whole), (SHORT, short))
            ]
            rows.append([Score(SMALL.name, next(small)), *rest])
        return rows


def shrunk(picture: Picture) -> Picture:
    """(64, 64, 3): cv2's bilinear, which does not antialias."""
    import cv2

    return np.asarray(cv2.resize(picture, (64, 64)), np.uint8)


def shortened(picture: Picture) -> Picture:
    """The shorter side at 64, the longer cut down to a whole pixel: PIL's bilinear over the area of a new pixel."""
    from PIL import Image

    h, w = picture.shape[:2]
    size = (SIDE, SIDE * h // w) if w <= h else (SIDE * w // h, SIDE)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR), np.uint8)


def through(make: Callable[[Picture], Picture], pairs: Sequence[Pair]) -> list[Pair]:
    """Both pictures of each pair made smaller; a picture with itself stays one."""
    return [(make(x), make(y)) if x is not y else (made := make(x), made) for x, y in pairs]


@dataclass
class Known:
    """Distances of pairs, each list of them once: at 64 x 64 all three ways of shrinking give the same pictures."""

    distance: Callable[[Any, Any], Any]
    seen: list[tuple[Sequence[Pair], list[float]]] = field(default_factory=list)

    def __call__(self, pairs: Sequence[Pair]) -> list[float]:
        for those, found in self.seen:
            if same(those, pairs):
                return found
        self.seen.append((pairs, distances(self.distance, pairs)))
        return self.seen[-1][1]


def same(some: Sequence[Pair], others: Sequence[Pair]) -> bool:
    """Whether two lists of pairs hold the same pixels, in the same order."""
    if len(some) != len(others):
        return False
    return all(
        np.array_equal(a, b) for one, other in zip(some, others, strict=True) for a, b in zip(one, other, strict=True)
    )


def distances(distance: Callable[[Any, Any], Any], pairs: Sequence[Pair]) -> list[float]:
    """The distance of each pair of equal size, computed in batches of one size; none of a picture from itself."""
    import torch

    if pairs and all(x is y for x, y in pairs):  # the unedited model's own: its distance is exactly 0
        return [0.0] * len(pairs)
    found: list[float] = []
    for _, same_size in groupby(pairs, key=lambda pair: pair[0].shape):
        pairs_of_size = list(same_size)
        for start in range(0, len(pairs_of_size), BATCH):
            batch = pairs_of_size[start : start + BATCH]
            x, y = (np.stack([pair[i] for pair in batch]) for i in (0, 1))
            with torch.inference_mode():
                found += distance(_tensor(x), _tensor(y)).flatten().tolist()
    return found


def _tensor(pictures: Picture) -> Any:
    """(n, 3, h, w) in -1..1 of (n, h, w, 3)."""
    import torch

    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


def hub_folder() -> Path:
    """Where torchvision keeps what it downloads."""
    import os

    home = os.environ.get("TORCH_HOME") or files.user_cache() / "torch"
    return Path(home) / "hub" / "checkpoints"


@cache
def _load(alexnet: Path, device: str) -> Callable[[Any, Any], Any]:
    """The package's LPIPS with the AlexNet of a file: torchvision's state dict, of which the features are used."""
    import lpips
    import torch

    if problem := Lpips(alexnet).missing_weights():
        raise UserError(problem)
    network = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    own = dict(network.net.named_parameters())
    wanted = {name: "features." + name.split(".", 1)[1] for name in own}  # slice2.3.weight is features.3.weight
    with weights.opened(alexnet, "AlexNet of torchvision"):
        state = dict(torch.load(alexnet, map_location="cpu", weights_only=True))
        if lacking := [name for name in wanted.values() if name not in state]:
            raise UserError(f"{alexnet} is no AlexNet of torchvision: it lacks {lacking[0]}")
        network.net.load_state_dict({name: state[name_there] for name, name_there in wanted.items()})
    network = network.eval().to(device)
    return lambda x, y: network(x.to(device), y.to(device))
