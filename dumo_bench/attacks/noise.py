"""When Are Concepts Erased From Diffusion Models? The probe by noise.

Kevin Lu, Nicky Kriplani, Rohit Gandikota, Minh Pham, David Bau, Chinmay Hegde, Niv Cohen. NeurIPS 2025, arXiv
2505.17013. Sees nothing: the prompt stays as it is, and noise is added while sampling.

DDIM with eta times DDPM's noise, and a scale of what is added: every eta of 1, 1.17, 1.34, 1.51, 1.68, 1.85 with every
scale of 1, 1.02, 1.03, 1.04. A prompt's success is that of the best of the 24 by the judge, so its control is the best
of 24 fresh seeds without noise. 50 steps; of 20, at an eta of 1.51 3 steps would ask for more than all variance.

In the released code the scale is passed to a pipeline that ignores it, and is always 1; here it acts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import torch

from dumo_bench.attacks.bases import LU2025, ByDdim
from dumo_bench.citation import Paper
from dumo_bench.interfaces import Sees, Target
from dumo_bench.types import Found, Start

ETAS, SCALES = (1.0, 1.17, 1.34, 1.51, 1.68, 1.85), (1.0, 1.02, 1.03, 1.04)


@dataclass(frozen=True)
class Noise(ByDdim):
    """steps: of DDIM."""

    name: ClassVar[str] = "noise"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Lu et al., NeurIPS 2025, arXiv 2505.17013"
    papers: ClassVar[tuple[Paper, ...]] = (LU2025,)
    sees: ClassVar[Sees] = "nothing"
    resumes: ClassVar[bool] = True
    bounds: ClassVar = {"steps": "[1, 1000]"}

    steps: int = 50

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        del seed  # nothing is drawn
        eta, scale = torch.tensor(list(product(ETAS, SCALES))).unbind(1)
        start = Start(eta=eta, scale=scale)
        for _, text in target.ahead:
            yield Found(text, start=start, draws=len(eta))
