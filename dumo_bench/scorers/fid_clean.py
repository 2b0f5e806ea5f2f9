"""FID as clean-fid makes it, the one to report: Parmar et al., CVPR 2022, https://arxiv.org/abs/2104.11222.

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
class FidClean(AgainstFolder, Fid):
    """fid.clean.original: to the unedited model's pictures; fid.clean.real: to those of a folder, fid_clean@FOLDER."""

    name: ClassVar[str] = "fid_clean"
    cite: ClassVar[str] = "https://arxiv.org/abs/2104.11222"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "parmar2022cleanfid",
            "On Aliased Resizing and Surprising Subtleties in GAN Evaluation",
            ("Gaurav Parmar", "Richard Zhang", "Jun-Yan Zhu"),
            2022,
            venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            arxiv="2104.11222",
        ),
        *Fid.papers,
    )
    extractor: Extracts = field(default_factory=partial(Inception, "clean"))
