"""emoji-judge: which object, which style. A small ResNet that shares nothing with emoji-clip.

Both heads have a last class `nothing` for tiles on which no emoji is drawn, so that a blank picture is not counted
as some object by default.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ResNetConfig, ResNetForImageClassification

from dumo_bench.emoji import draw
from dumo_bench.emoji.loop import Plan, train
from dumo_bench.emoji.world import NOTHING, OBJECTS, STYLES

COPIES, BATCH = 40, 96
PLAN = Plan("judge", steps=3000, lr=2e-3, decay=0.05)
LABELS = (*(f"object:{o}" for o in (*OBJECTS, NOTHING)), *(f"style:{s}" for s in (*STYLES, NOTHING)))
SPLIT = len(OBJECTS) + 1  # the first logits are the object's, the others the style's


def make() -> ResNetForImageClassification:
    """Untrained weights, drawn from a fixed seed."""
    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=24,
            hidden_sizes=[32, 64, 128, 192],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            num_labels=len(LABELS),
            id2label=names,
            label2id={v: k for k, v in names.items()},
        )
    )


def blurred(x: Tensor, width: int) -> Tensor:
    """A box blur of odd width, twice."""
    for _ in range(2):
        x = F.avg_pool2d(F.pad(x, [width // 2] * 4, mode="replicate"), width, 1)
    return x


def worn(x: Tensor, g: torch.Generator) -> Tensor:
    """Pictures as an autoencoder might return them: softened, tinted, with noise. x in -1..1."""
    soft = blurred(x, 3)
    keep = torch.rand(len(x), 1, 1, 1, generator=g)
    x = keep * x + (1 - keep) * soft
    x = x * (0.85 + 0.3 * torch.rand(len(x), 3, 1, 1, generator=g)) + 0.1 * torch.randn(len(x), 3, 1, 1, generator=g)
    return (x + 0.08 * torch.rand(len(x), 1, 1, 1, generator=g) * torch.randn(x.shape, generator=g)).clamp(-1, 1)


def empty(x: Tensor, g: torch.Generator) -> Tensor:
    """Tiles that show nothing, made from pictures: plain, cloudy, smeared, shuffled or pure noise."""
    n = len(x)
    plain = (torch.rand(n, 3, 1, 1, generator=g) * 2 - 1).expand_as(x)
    cloud = F.interpolate(torch.rand(n, 3, 4, 4, generator=g) * 2 - 1, size=64, mode="bicubic")
    smear = blurred(x, 25)
    order = torch.randperm(64, generator=g)
    patches = F.unfold(x, 8, stride=8)[:, :, order]
    shuffled = F.fold(patches, 64, 8, stride=8)
    noise = torch.randn(x.shape, generator=g)
    kinds = torch.stack([plain, plain + 0.3 * cloud, cloud, smear, shuffled, noise])
    return kinds[torch.randint(len(kinds), (n,), generator=g), torch.arange(n)].clamp(-1, 1)


def run(build: Path) -> ResNetForImageClassification:
    """Cross-entropy on both heads; an eighth of each batch shows nothing."""
    data = draw.pictures(build, COPIES, seed=3)
    blank = BATCH // 8

    def loss(judge: nn.Module, g: torch.Generator) -> Tensor:
        rows = torch.randint(len(data["object"]), (BATCH,), generator=g)
        x = data["picture"][rows].float() / 127.5 - 1
        x = torch.cat([empty(x[:blank], g), worn(x[blank:], g)])
        thing, style = data["object"][rows], data["style"][rows]
        thing[:blank], style[:blank] = len(OBJECTS), len(STYLES)
        logits = judge(x).logits
        return F.cross_entropy(logits[:, :SPLIT], thing) + F.cross_entropy(logits[:, SPLIT:], style)

    return train(PLAN, make(), loss, build)


if __name__ == "__main__":
    import sys

    run(Path(sys.argv[1]))
