"""FID as torchmetrics makes it, with its own resizing: to compare with papers that used it, never with fid_clean.

Features are the library's own, the distance is ours (metrics/frechet.py). Heusel et al., https://arxiv.org/abs/1706.08500.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.fid import Fid
from dumo_bench.scorers.inception import AgainstFolder, Inception


@dataclass(frozen=True)
class FidTorchmetrics(AgainstFolder, Fid):
    """fid.torchmetrics.original and fid.torchmetrics.real: as fid_clean's, with the resizing of torchmetrics."""

    name: ClassVar[str] = "fid_torchmetrics"
    cite: ClassVar[str] = "https://lightning.ai/docs/torchmetrics/stable/image/frechet_inception_distance.html"
    extractor: Extracts = field(default_factory=partial(Inception, "torchmetrics"))
