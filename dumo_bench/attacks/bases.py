"""What attacks have in common that set where sampling starts: a sampler without memory, and for some their paper."""

from __future__ import annotations

from dataclasses import replace

from dumo_bench.citation import Paper
from dumo_bench.interfaces import Attack
from dumo_bench.types import Sampling

#: of the probes `noise`, `completion` and `inpainting`
LU2025 = Paper(
    "lu2025erased",
    "When Are Concepts Erased From Diffusion Models?",
    (
        "Kevin Lu",
        "Nicky Kriplani",
        "Rohit Gandikota",
        "Minh Pham",
        "David Bau",
        "Chinmay Hegde",
        "Niv Cohen",
    ),
    2025,
    venue="Advances in Neural Information Processing Systems",
    arxiv="2505.17013",
)


class ByDdim(Attack):
    """An attack whose pictures are made in `steps` steps of DDIM, whatever the suite's sampler is."""

    steps: int

    def contract(self, suite: Sampling) -> Sampling:
        return replace(suite, scheduler="ddim", steps=self.steps)
