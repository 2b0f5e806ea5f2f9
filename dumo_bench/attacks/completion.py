"""When Are Concepts Erased From Diffusion Models? The probe by completion.

Kevin Lu, Nicky Kriplani, Rohit Gandikota, Minh Pham, David Bau, Chinmay Hegde, Niv Cohen. NeurIPS 2025, arXiv
2505.17013. Sees the unedited model: it begins a picture of the prompt, the erased model ends it.

    z_k = the unedited model's latents after k of N steps of DDIM, with the prompt;      from there the erased model

50 steps; published k are 1 to 3 and up to 21. With `words` off the end is sampled under the empty text: then nothing
but the latents asks for the concept, and a method that reads names knows of none. What the unedited model makes of
them in that way is what they alone decide.

The released script's change of the pipeline does not take effect, so that its erased model runs all 50 steps on latents
that are half denoised; here it runs those that are left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from dumo_bench.attacks.bases import LU2025, ByDdim
from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import stock_guide
from dumo_bench.interfaces import Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.latents import till, under
from dumo_bench.types import Found, Start


@dataclass(frozen=True)
class Completion(ByDdim):
    """begun: steps of the unedited model. steps: of all. words: whether the erased model is given the prompt."""

    name: ClassVar[str] = "completion"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Lu et al., NeurIPS 2025, arXiv 2505.17013"
    papers: ClassVar[tuple[Paper, ...]] = (LU2025,)
    sees: ClassVar[Sees] = "unedited model"
    resumes: ClassVar[bool] = True
    bounds: ClassVar = {"begun": "[1, 999]", "steps": "[2, 1000]"}

    begun: int = 5
    steps: int = 50
    words: bool = True

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        if self.begun >= self.steps:
            raise UserError(f"completion: {self.begun} of {self.steps} steps leave none to the erased model")
        host, n = target.host, target.pictures
        for number, text in target.ahead:
            g, run = train.seeded(seed + number), under(host, target.sampling)
            z, _ = till(host, partial(stock_guide, host), [text] * n, run, self.begun, g)
            start = Start(latents=z, step=self.begun)
            yield Found(text if self.words else "", start=start, draws=n, forwards=2 * n * self.begun)
