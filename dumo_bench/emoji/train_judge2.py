"""emoji-judge, version 2: it has seen many artists, and says `nothing` of what shows nothing.

An eighth of each batch shows nothing, an eighth went through the host's autoencoder, a quarter are the host's training
pictures, half are any artist's drawings, strongly changed. Style is learnt from pictures in their own colours only.
"""

from __future__ import annotations

import json
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import ResNetConfig, ResNetForImageClassification

from dumo_bench.emoji import drawings, measure, timed, views, warp, wear, world
from dumo_bench.emoji.augment import Batch, Studio, blank
from dumo_bench.emoji.loop import Loss
from dumo_bench.emoji.timed import Budget
from dumo_bench.emoji.train_judge import LABELS, SPLIT

SIDE, SMOOTH = 128, 0.05  # pictures are doubled, so that thin lines survive the first layers
COPIES = 12


def make() -> ResNetForImageClassification:
    """Untrained weights, drawn from a fixed seed: 2.3 M parameters."""
    torch.manual_seed(0)
    names = dict(enumerate(LABELS))
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=48,
            hidden_sizes=[48, 96, 160, 256],
            depths=[2, 2, 2, 1],
            layer_type="basic",
            num_labels=len(LABELS),
            id2label=names,
            label2id={v: k for k, v in names.items()},
            side=SIDE,
            version=2,
        )
    )


class Lessons:
    """Makes the batches; what went through the autoencoder is made once, before the first."""

    def __init__(self, studio: Studio, vae: Any, g: torch.Generator, copies: int = COPIES) -> None:
        self.studio = studio
        pictures, self.shown = views.tiles(studio, copies, g)
        latents = views.encode(vae, pictures)
        self.echoes = views.echoes(vae, latents, g)
        self.ruins = views.ruins(vae, latents, g)

    def batch(self, n: int, g: torch.Generator) -> Batch:
        """n pictures: n/8 of nothing, n/8 generated, n/4 mild, n/2 strong."""
        mild = self.studio.mild(n // 4, g)
        mild = Batch(wear.tinted(mild.picture, g), mild.object, mild.style, mild.background)
        return self.nothing(n // 8, g) + self.generated(n // 8, g) + mild + self.studio.strong(n // 2, g)

    def nothing(self, n: int, g: torch.Generator) -> Batch:
        """Half ruins, half tiles made empty from the host's pictures."""
        rows = torch.randint(len(self.ruins), (n // 2,), generator=g, device=g.device)
        tiles = wear.empty(self.studio.mild(n - n // 2, g).picture, g)
        return blank(n, torch.cat([self.ruins[rows] / 255, tiles]))

    def generated(self, n: int, g: torch.Generator) -> Batch:
        """Round trips through the autoencoder, a little worn."""
        rows = torch.randint(len(self.echoes), (n,), generator=g, device=g.device)
        return Batch(wear.tinted(self.echoes[rows] / 255, g), *self.shown[rows].unbind(1))


def mixed(batch: Batch, g: torch.Generator, share: float = 0.08) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, (n, classes) object targets, styles; some pictures are half their neighbour, and so are their targets.

    The style of those is not told.
    """
    two = warp.chosen(len(batch.object), share, g)
    goal = F.one_hot(batch.object, SPLIT).float() * (1 - SMOOTH) + SMOOTH / SPLIT
    half = 0.5 * two[:, None].float()
    x = batch.picture.lerp(batch.picture.roll(1, 0), half[:, :, None, None])
    return x, goal.lerp(goal.roll(1, 0), half), batch.style.masked_fill(two, -100)


def loss_of(lessons: Lessons, n: int, device: str) -> Loss[nn.Module]:
    """Cross-entropy on both heads."""

    def loss(judge: nn.Module, g: torch.Generator) -> Tensor:
        x, goal, style = mixed(lessons.batch(n, g), g)
        with timed.autocast(device):
            found = measure.scored(judge, (2 * x - 1).contiguous(memory_format=torch.channels_last))
        found = found.float()
        return F.cross_entropy(found[:, :SPLIT], goal) + F.cross_entropy(found[:, SPLIT:], style)

    return loss


def main() -> None:
    began = time.monotonic()
    parser = timed.arguments(__doc__, seconds=300, batch=768)
    parser.add_argument("--name", default="judge-2")
    parser.add_argument("--leave-out", nargs="*", default=[], help="artists that this run does not see")
    parser.add_argument("--copies", type=int, default=COPIES, help="of each drawing through the autoencoder")
    options = parser.parse_args()
    timed.ready(options.device)
    every = drawings.read(options.drawings).to(options.device)
    seen = drawings.trained_on(frozenset(options.leave_out))
    studio = Studio(every.only(frozenset(world.STYLES)), every.only(seen))
    vae = views.autoencoder(options.device)
    lessons = Lessons(studio, vae, torch.Generator(options.device).manual_seed(7), options.copies)
    budget = Budget(options.name, options.seconds - (time.monotonic() - began), lr=2e-3, decay=0.05)
    judge = make().to(memory_format=torch.channels_last)
    state = timed.train(budget, judge, loss_of(lessons, options.batch, options.device), options.out, options.device)
    found = measure.judged(state.average.eval(), every, seen, lessons)
    (options.out / f"{options.name}.json").write_text(
        json.dumps({"steps": state.step, **found}, indent=1), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
