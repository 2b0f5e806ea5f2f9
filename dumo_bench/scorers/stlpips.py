"""ST-LPIPS: LPIPS that a shift of a pixel does not move. Ghildyal and Liu, ECCV 2022, https://arxiv.org/abs/2207.13686

The authors' weights, backbone and human-calibrated linear layers in one file, lie in the wheel of `stlpips_pytorch`.
Only this file is read: the layers are these. Each pooling blurs, and nothing else has a stride.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias, get_args

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.interfaces import Scorer
from dumo_bench.scorers import weights
from dumo_bench.scorers.lpips import distances
from dumo_bench.scorers.pictures import Picture, originals, scored
from dumo_bench.types import Metric, Sample, Score

if TYPE_CHECKING:
    from torch import Tensor

Net: TypeAlias = Literal["alex", "vgg"]
Weights: TypeAlias = Mapping[str, "Tensor"]
Layer: TypeAlias = Callable[[Weights, str, "Tensor"], "Tensor"]  # weights, the name of its block, x -> x

SHA256: Mapping[Net, str] = {
    "alex": "b356b382f96010f77d085ee8343ecd9fd322d0a56e8de2b2d0549fafcad8b9ee",
    "vgg": "44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250",
}
SMALLEST: Mapping[Net, int] = {"alex": 21, "vgg": 18}  # pixels a side: below it the last block has too few to blur


@dataclass(frozen=True)
class StLpips(Scorer):
    """The distance to the unedited model's picture of the same prompt and draw, at the size they were made in.

    stlpips_alex_native; `stlpips@vgg` gives stlpips_vgg_native. Its numbers are not LPIPS's: the two have other
    weights and other units, and do not compare.
    """

    name: ClassVar[str] = "stlpips"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "https://arxiv.org/abs/2207.13686"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "ghildyal2022stlpips",
            "Shift-tolerant Perceptual Similarity Metric",
            ("Abhijay Ghildyal", "Feng Liu"),
            2022,
            venue="European Conference on Computer Vision",
            arxiv="2207.13686",
        ),
    )
    takes: ClassVar[str] = "net"
    net: Net = "alex"
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.net not in get_args(Net):
            raise UserError(f"stlpips: the network is {' or '.join(get_args(Net))}, got {self.net!r}: stlpips@vgg")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """One, called after the network."""
        name, title = f"stlpips_{self.net}_native", f"ST-LPIPS{'' if self.net == 'alex' else f' ({self.net})'}"
        unit = "weighted squared distance of features"
        return (Metric(name, unit, "lower", measures="distance", title=title, digits=3),)

    @property
    def _file(self) -> Path | None:
        return weights.in_package("stlpips_pytorch", "weights", "vST0.0", f"{self.net}_shift_tolerant.pth")

    @property
    def label(self) -> str:
        """Name and hash of the weights."""
        return f"{self.net}_shift_tolerant.pth {SHA256[self.net][:12]}"

    def missing_weights(self) -> str | None:
        """What is missing and what to type, or None."""
        return weights.lacking(self._file, "ST-LPIPS", SHA256[self.net], "type `pip install 'dumo-bench[stlpips]'`")

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return scored(samples, self.metrics, self._measure)

    def _measure(self, samples: list[Sample], pictures: list[Picture]) -> list[list[Score]]:
        network = _load(self, weights.device(self.device))
        pairs = list(zip(pictures, originals(samples), strict=True))
        good = [(x, y) for x, y in pairs if not isinstance(y, str) and not self._unfit(x, y)]
        measured = iter(distances(network, good))
        return [[self._unfit(x, y) or Score(self.metrics[0].name, next(measured))] for x, y in pairs]

    def _unfit(self, x: Picture, y: Picture | str) -> Score | None:
        """The score of two pictures that cannot be compared."""
        name, least = self.metrics[0].name, SMALLEST[self.net]
        if isinstance(y, str):
            return Score(name, None, f"unedited model: {y}", "no reference")
        if x.shape != y.shape:
            sizes = f"sizes differ: {x.shape[1]} x {x.shape[0]} and {y.shape[1]} x {y.shape[0]}"
            return Score(name, None, sizes, "no reference")
        small = f"{x.shape[1]} x {x.shape[0]} is too small: {least} pixels a side are the least"
        return Score(name, None, small, "cannot judge") if min(x.shape[:2]) < least else None


def conv(n: int, padding: int) -> Layer:
    def layer(w: Weights, block: str, x: Tensor) -> Tensor:
        from torch.nn.functional import conv2d

        return conv2d(x, w[f"{block}.{n}.weight"], w[f"{block}.{n}.bias"], padding=padding)

    return layer


def blur(n: int) -> Layer:
    """BlurPool: two pixels mirrored at each side, [1 2 1] x [1 2 1] / 16 a channel, every second pixel kept."""

    def layer(w: Weights, block: str, x: Tensor) -> Tensor:
        from torch.nn.functional import conv2d, pad

        return conv2d(pad(x, (2, 2, 2, 2), mode="reflect"), w[f"{block}.{n}.filt"], stride=2, groups=x.shape[1])

    return layer


def pool(size: int) -> Layer:
    """The largest of every size x size pixels, at every pixel."""

    def layer(w: Weights, block: str, x: Tensor) -> Tensor:
        from torch.nn.functional import max_pool2d

        return max_pool2d(x, size, stride=1)

    return layer


def relu(w: Weights, block: str, x: Tensor) -> Tensor:
    return x.relu()


#: five blocks a network; features are what each ends with
BLOCKS: Mapping[Net, tuple[tuple[Layer, ...], ...]] = {
    "alex": (
        (conv(0, 2), blur(1), relu),
        (pool(3), blur(4), conv(5, 2), relu),
        (pool(3), blur(8), conv(9, 1), relu),
        (conv(11, 1), relu),
        (conv(13, 1), relu),
    ),
    "vgg": (
        (conv(0, 1), relu, conv(2, 1), relu),
        (pool(2), blur(5), conv(6, 1), relu, conv(8, 1), relu),
        (pool(2), blur(11), conv(12, 1), relu, conv(14, 1), relu, conv(16, 1), relu),
        (pool(2), blur(19), conv(20, 1), relu, conv(22, 1), relu, conv(24, 1), relu),
        (pool(2), blur(27), conv(28, 1), relu, conv(30, 1), relu, conv(32, 1), relu),
    ),
}


def features(w: Weights, net: Net, x: Tensor) -> list[Tensor]:
    """What each block makes of pictures (n, 3, h, w) in -1..1, every pixel's vector brought to length 1."""
    x, found = (x - w["scaling_layer.shift"]) / w["scaling_layer.scale"], []
    for n, layers in enumerate(BLOCKS[net], 1):
        for layer in layers:
            x = layer(w, f"net.slice{n}", x)
        found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
    return found


def distance(w: Weights, net: Net, x: Tensor, y: Tensor) -> Tensor:
    """(n,): sum over blocks of the mean over pixels of lin . (x_hat - y_hat)^2, of pictures (n, 3, h, w) in -1..1."""
    pairs = enumerate(zip(features(w, net, x), features(w, net, y), strict=True))
    parts = [(w[f"lin{n}.model.1.weight"] * (a - b).square()).sum(1).mean((1, 2)) for n, (a, b) in pairs]
    return sum(parts[1:], parts[0])


@cache
def _load(scorer: StLpips, device: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The distance with a scorer's weights, one pair at a time: the first layer keeps every pixel in 64 channels."""
    import torch

    if problem := scorer.missing_weights():
        raise UserError(problem)
    assert scorer._file is not None  # nothing is missing
    state = torch.load(scorer._file, map_location=device, weights_only=True)

    def of_pairs(x: Tensor, y: Tensor) -> Tensor:
        x, y = x.to(device), y.to(device)
        return torch.cat([distance(state, scorer.net, x[i : i + 1], y[i : i + 1]) for i in range(len(x))])

    return of_pairs
