"""Pictures to learn from, as latents that are noised: the unedited model draws them of captions, or they are given."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from dumo_bench.hosts.sample import scheduler
from dumo_bench.hosts.sd import Host, encode, encoded, stock_guide
from dumo_bench.kit import captioned
from dumo_bench.kit.captioned import Captioned
from dumo_bench.kit.latents import Trajectory, till

BATCH = 24  # captions sampled at a time


class Pictures:
    """z (n, c, h, w): clean latents of texts."""

    def __init__(self, host: Host, texts: Sequence[str], z: Tensor) -> None:
        self.host, self.texts, self.z, self.schedule = host, texts, z, scheduler(host, "ddim", 1)

    @property
    def levels(self) -> int:
        """How many timesteps there are."""
        return int(self.schedule.config.num_train_timesteps)

    def noised(self, which: Tensor, t: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Of the pictures `which` (n,), at timesteps t (n,): latents, and the noise or velocity that is to be told."""
        z, t = self.z[which.to(self.z.device)], t.to(self.z.device)
        noise = torch.randn(z.shape, generator=g).to(z)
        velocity = self.schedule.config.prediction_type == "v_prediction"
        return self.schedule.add_noise(z, noise, t), self.schedule.get_velocity(z, noise, t) if velocity else noise

    def contexts(self, which: Tensor) -> Tensor:
        """(n, 77, d) of the pictures' texts."""
        return encode(self.host, [self.texts[i] for i in which.tolist()])


def drawn(host: Host, texts: Sequence[str], run: Trajectory, g: torch.Generator) -> Pictures:
    """What the unedited model draws of the texts."""
    guide, parts = partial(stock_guide, host), [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    return Pictures(host, texts, torch.cat([till(host, guide, part, run, run.steps, g)[0] for part in parts]))


def real(host: Host, rows: Sequence[Captioned]) -> Pictures:
    """Given pictures, of the size that the model was made for."""
    side = host.side * host.factor
    parts = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
    z = torch.cat([encoded(host, captioned.pixels(part, side)) for part in parts])
    return Pictures(host, [row.text for row in rows], z)
