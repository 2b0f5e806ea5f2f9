"""FID and KID on Inception's features as clean-fid makes them, and FID as torchmetrics does: the numbers of papers.

Heusel et al., https://arxiv.org/abs/1706.08500; Binkowski et al., https://arxiv.org/abs/1801.01401; clean-fid: Parmar
et al., https://arxiv.org/abs/2104.11222. Features are the libraries' own, distances ours (dumo_bench/metrics).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.fid import Fid
from dumo_bench.scorers.inception import Inception
from dumo_bench.scorers.kid import Kid


@dataclass(frozen=True)
class _AgainstFolder:
    """`real`: a folder of real pictures, which the scorer's Inception then compares with too."""

    takes: ClassVar[str] = "real"
    extractor: Extracts
    real: str | Path = ""

    def __post_init__(self) -> None:
        if self.real and isinstance(self.extractor, Inception):
            object.__setattr__(self, "extractor", replace(self.extractor, real=self.real))
        super().__post_init__()  # type: ignore[misc]  # names the metrics


@dataclass(frozen=True)
class FidClean(_AgainstFolder, Fid):
    """fid.clean.original: to the unedited model's pictures; fid.clean.real: to those of a folder, fid_clean@FOLDER."""

    name: ClassVar[str] = "fid_clean"
    cite: ClassVar[str] = "https://arxiv.org/abs/2104.11222"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"fid.clean.original": False, "fid.clean.real": False}
    extractor: Extracts = field(default_factory=partial(Inception, "clean"))


@dataclass(frozen=True)
class KidClean(_AgainstFolder, Kid):
    """kid.clean.original and kid.clean.real: as FidClean; of whole sets, its spread over subsets in the note."""

    name: ClassVar[str] = "kid_clean"
    cite: ClassVar[str] = "https://arxiv.org/abs/2104.11222"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"kid.clean.original": False, "kid.clean.real": False}
    extractor: Extracts = field(default_factory=partial(Inception, "clean"))


@dataclass(frozen=True)
class FidTorchmetrics(_AgainstFolder, Fid):
    """fid.torchmetrics.original and fid.torchmetrics.real: as FidClean, with the resizing of torchmetrics."""

    name: ClassVar[str] = "fid_torchmetrics"
    cite: ClassVar[str] = "https://lightning.ai/docs/torchmetrics/stable/image/frechet_inception_distance.html"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {
        "fid.torchmetrics.original": False,
        "fid.torchmetrics.real": False,
    }
    extractor: Extracts = field(default_factory=partial(Inception, "torchmetrics"))
