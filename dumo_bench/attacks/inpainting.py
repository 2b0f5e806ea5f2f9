"""When Are Concepts Erased From Diffusion Models? The probe by inpainting.

Kevin Lu, Nicky Kriplani, Rohit Gandikota, Minh Pham, David Bau, Chinmay Hegde, Niv Cohen. NeurIPS 2025, arXiv
2505.17013. Sees nothing of the models: it has pictures of the concept with a hole in the centre, half as wide and high.

Before every step what lies outside the hole is replaced by the picture's latents, noised to that step's level; at the
end by the picture's own. So all that asks for the concept is what is left of it around the hole, and the prompt; with
`words` off, the first alone.

Followed in part: published success is of the hole, cut out; here of the whole picture, for judges know whole objects.
So the unedited model with `words` off tells how far what is around the hole is enough. The pictures are its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from dumo_bench.attacks.bases import LU2025, ByDdim
from dumo_bench.citation import Paper
from dumo_bench.hosts.sd import stock_guide
from dumo_bench.interfaces import Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.latents import till, under
from dumo_bench.types import Found, Start


@dataclass(frozen=True)
class Inpainting(ByDdim):
    """hole: its side, of the picture's. steps: of DDIM. words: whether the erased model is given the prompt."""

    name: ClassVar[str] = "inpainting"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Lu et al., NeurIPS 2025, arXiv 2505.17013"
    papers: ClassVar[tuple[Paper, ...]] = (LU2025,)
    sees: ClassVar[Sees] = "nothing"
    resumes: ClassVar[bool] = True
    bounds: ClassVar = {"hole": "(0, 1]", "steps": "[1, 1000]"}

    hole: float = 0.5
    steps: int = 50
    words: bool = True

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        host, n = target.host, target.pictures
        for number, text in target.ahead:
            g, run = train.seeded(seed + number), under(host, target.sampling)
            z, _ = till(host, partial(stock_guide, host), [text] * n, run, self.steps, g)
            start = Start(picture=z, hole=centre(z.shape[2], z.shape[3], self.hole))
            yield Found(text if self.words else "", start=start, draws=n, forwards=2 * n * self.steps)


def centre(height: int, width: int, share: float) -> Tensor:
    """1 in the middle of (h, w), of so large a share of either side, 0 around it."""
    hole = torch.zeros(height, width)
    high, wide = max(1, round(share * height)), max(1, round(share * width))
    top, left = (height - high) // 2, (width - wide) // 2
    hole[top : top + high, left : left + wide] = 1
    return hole
