"""KID as clean-fid makes it, for sets of hundreds: Parmar et al., CVPR 2022, https://arxiv.org/abs/2104.11222.

Features are the library's own, the distance is ours (metrics/kernel.py). Binkowski et al.,
https://arxiv.org/abs/1801.01401.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from dumo_bench.citation import Paper
from dumo_bench.scorers.features import Extracts
from dumo_bench.scorers.fid_clean import FidClean
from dumo_bench.scorers.inception import AgainstFolder, Inception
from dumo_bench.scorers.kid import Kid


@dataclass(frozen=True)
class KidClean(AgainstFolder, Kid):
    """kid.clean.original and kid.clean.real: as fid_clean's; of whole sets, its spread over subsets in the note."""

    name: ClassVar[str] = "kid_clean"
    cite: ClassVar[str] = "https://arxiv.org/abs/2104.11222"
    papers: ClassVar[tuple[Paper, ...]] = (FidClean.papers[0], *Kid.papers)
    extractor: Extracts = field(default_factory=partial(Inception, "clean"))
