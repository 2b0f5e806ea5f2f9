"""FID as torchmetrics makes it, with its own resizing: to compare with papers that used it, never with fid_clean.

Features are the library's own, the distance is ours (metrics/frechet.py). Heusel et al., https://arxiv.org/abs/1706.08500.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from dumo_bench.citation import Paper
from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.fid import Fid
from dumo_bench.scorers.inception import AgainstFolder, Inception


@dataclass(frozen=True)
class FidTorchmetrics(AgainstFolder, Fid):
    """fid.torchmetrics.original and fid.torchmetrics.real: as fid_clean's, with the resizing of torchmetrics."""

    name: ClassVar[str] = "fid_torchmetrics"
    cite: ClassVar[str] = "https://lightning.ai/docs/torchmetrics/stable/image/frechet_inception_distance.html"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "detlefsen2022torchmetrics",
            "TorchMetrics: Measuring Reproducibility in PyTorch",
            (
                "Nicki Skafte Detlefsen",
                "Jiri Borovec",
                "Justus Schock",
                "Ananya Harsh Jha",
                "Teddy Koker",
                "Luca Di Liello",
                "Daniel Stancl",
                "Changsheng Quan",
                "Maxim Grechkin",
                "William Falcon",
            ),
            2022,
            venue="Journal of Open Source Software",
            url="https://doi.org/10.21105/joss.04101",
            kind="article",
        ),
        *Fid.papers,
    )
    extractor: Extracts = field(default_factory=partial(Inception, "torchmetrics"))
