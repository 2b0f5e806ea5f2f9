"""The U-Net of emoji-sd: SD's class with SD's noise schedule on 8 x 8 latents.

Latents of the pictures and hidden states of every caption drawn are computed as needed from frozen towers; one
caption in ten is empty, so that guidance has its unconditional half.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.emoji import captions, draw, train_clip, train_vae
from dumo_bench.emoji.loop import Plan, train

COPIES, BATCH, DROP = 32, 64, 0.1
PLAN = Plan("unet", steps=12000, lr=6e-4, warmup=200, ema=0.9985)
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def make() -> UNet2DConditionModel:
    """Untrained weights, drawn from a fixed seed: 4 levels, 2 layers a block, attention to text in the first three."""
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128, 128, 128),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=train_clip.WIDTH,
        attention_head_dim=4,  # diffusers' name for the number of heads
        norm_num_groups=16,
    )


def noise_schedule() -> DDPMScheduler:
    """SD's."""
    return DDPMScheduler(**SCHEDULE)


def weights(noising: DDPMScheduler) -> Tensor:
    """Weight of each timestep's loss, (1000,), mean 1: noise over signal, sigma / alpha.

    The plain loss is nearly all earned where almost no noise is left, while what a picture shows, its style above all,
    is decided where almost only noise is left. With these weights all timesteps earn alike (on this model, between
    t = 200 and 800 the weighted loss varies by a third, the plain one tenfold).
    """
    alpha = noising.alphas_cumprod
    noise = ((1 - alpha) / alpha).sqrt()
    found: Tensor = noise / noise.mean()
    return found


def spoken(object: int, style: int, background: int, g: torch.Generator) -> str:
    """A caption. Half of those that leave the style open are drawn again: the style is what is learnt last."""
    first, again = (captions.draw(object, style, background, g) for _ in range(2))
    return (again if first.style < 0 and torch.rand((), generator=g) < 0.5 else first).text


class Texts:
    """Hidden states (77, d) of captions, computed once each by the frozen text tower."""

    def __init__(self, build: Path) -> None:
        self.tokens = train_clip.tokenizer(build)
        self.tower = train_clip.run(build).text_model.eval()
        self.kept: dict[str, Tensor] = {}

    @torch.no_grad()
    def __call__(self, texts: list[str]) -> Tensor:
        new = sorted({t for t in texts if t not in self.kept})
        if new:
            ids = self.tokens(new, padding="max_length", truncation=True, return_tensors="pt").input_ids
            self.kept.update(zip(new, self.tower(ids).last_hidden_state, strict=True))
        return torch.stack([self.kept[t] for t in texts])


def latents(build: Path) -> Tensor:
    """Latents (n, 4, 8, 8) of the training pictures, unscaled, kept once made."""
    path = build / "latents.pt"
    if not path.exists():
        data = draw.pictures(build, COPIES, seed=4)
        torch.save(train_vae.encode(train_vae.first(build), data["picture"]), path)
    kept: Tensor = torch.load(path, weights_only=True)
    return kept


def run(build: Path) -> UNet2DConditionModel:
    """Noise prediction, weighted by timestep."""
    data = draw.pictures(build, COPIES, seed=4)
    every = latents(build)
    every = every / every.std()
    texts, noising = Texts(build), noise_schedule()
    weight = weights(noising)
    shown = torch.stack([data["object"], data["style"], data["background"]], 1)

    def loss(unet: nn.Module, g: torch.Generator) -> Tensor:
        rows = torch.randint(len(shown), (BATCH,), generator=g)
        drop = torch.rand(BATCH, generator=g) < DROP
        said = [spoken(o, s, b, g) for o, s, b in shown[rows].tolist()]
        context = texts(["" if d else s for d, s in zip(drop, said, strict=True)])
        z = every[rows]
        noise = torch.randn(z.shape, generator=g)
        t = torch.randint(1000, (BATCH,), generator=g)
        guess = unet(noising.add_noise(z, noise, t), t, encoder_hidden_states=context).sample
        each = F.mse_loss(guess, noise, reduction="none").mean((1, 2, 3))
        return (weight[t] * each).mean()

    return train(PLAN, make(), loss, build)


if __name__ == "__main__":
    import sys

    run(Path(sys.argv[1]))
