"""How far this project's numbers lie from those of libraries used directly. `make deviations` writes the table."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import compared
import compared_lora
import numpy as np
from compared import Pair

PAGE = Path(__file__).parents[1] / "docs" / "deviations.md"
HEAD = """# Deviations

What the scorers, statistics and imported weights give, against the libraries used directly on the same pictures and
weights. The weights of networks are random, but for NudeNet's, which lie in its package. Numbers agree where each lies
within the larger of the two bounds. `make deviations` writes this page; `tests/test_deviations.py` holds the same
comparisons to the bounds.

| what | against | pictures | numbers | largest absolute | largest relative | bound |
|---|---|---|---|---|---|---|
"""


class Comparison(NamedTuple):
    """`run` measures in an empty folder; |ours - theirs| is to be at most `absolute` or `relative` of theirs."""

    what: str
    library: str
    run: Callable[[Path], Pair]
    relative: float = 0.0
    absolute: float = 0.0
    slow: bool = False

    def allowed(self, found: Pair) -> np.ndarray:
        return np.maximum(self.relative * np.abs(found.theirs), self.absolute)

    def row(self, found: Pair) -> str:
        off = np.abs(found.ours - found.theirs)
        share = np.max(off[found.theirs != 0] / np.abs(found.theirs[found.theirs != 0]), initial=0.0)
        return " | ".join(
            [
                f"{self.start}{found.n or 'none'}",
                f"{off.size:,}",
                f"{off.max():.1e}",
                f"{share:.1e}",
                f"{self.bound} |\n",
            ]
        )

    @property
    def start(self) -> str:
        """How the comparison's row begins."""
        return f"| {self.what} | {self.library} {version(self.library)} | "

    @property
    def bound(self) -> str:
        said = {"relative": self.relative, "absolute": self.absolute}
        return " or ".join(f"{value:g} {name}" for name, value in said.items() if value) or "equal"


COMPARISONS = (
    Comparison(
        "features of `fid_clean`, `kid_clean`, share of the largest",
        "clean-fid",
        compared.clean_features,
        absolute=1e-4,
    ),
    Comparison("FID, 16 dimensions of these", "clean-fid", compared.clean_fid, 1e-4),
    Comparison("KID, 2048 dimensions", "clean-fid", compared.clean_kid, 1e-4),
    Comparison(
        "features of `fid_torchmetrics`, share of the largest",
        "torchmetrics",
        compared.torchmetrics_features,
        absolute=1e-4,
    ),
    Comparison(
        "FID, 2048 dimensions of these, share of their variance",
        "torchmetrics",
        compared.torchmetrics_fid,
        1e-4,
        1e-4,
        slow=True,
    ),
    Comparison("FID, 2048 dimensions, 300 random rows a side", "clean-fid", compared.wide_clean_fid, 1e-4, slow=True),
    Comparison("FID, 2048 dimensions, 300 random rows a side", "torchmetrics", compared.wide_torchmetrics_fid, 1e-4),
    Comparison("`lpips_alex_64_cv2`", "lpips", compared.lpips_small, 1e-4),
    Comparison("`lpips_alex_native`", "lpips", compared.lpips_native, 1e-4),
    Comparison("`lpips_alex_64_pil`", "torchvision", compared.lpips_short, 1e-4),
    Comparison("`clip_score`, cosine", "transformers", compared.clip_cosine, absolute=1e-5),
    Comparison("`clip_score`, logit", "transformers", compared.clip_logit, absolute=1e-4),
    Comparison(
        "`clip_score`, cosine of an open_clip model", "open_clip_torch", compared.open_clip_cosine, absolute=1e-5
    ),
    Comparison("`clip_accuracy`, probability", "transformers", compared.clip_softmax, absolute=1e-5),
    Comparison("`clip_accuracy_mace`, probability", "transformers", compared.clip_mace, absolute=1e-5),
    Comparison("`style_classifier`, probability", "transformers", compared.style, absolute=1e-5),
    Comparison("`concept`, probabilities", "transformers", compared.judge, absolute=1e-5),
    Comparison("`nudenet`, scores of boxes", "nudenet", compared.nudenet_scores, absolute=1e-5),
    Comparison("`nudenet`, boxes in whole pixels", "nudenet", compared.nudenet_boxes),
    Comparison("`nudenet@RGB/both-sides` and `RGB/squashed`, input in 1/255", "torch", compared.views, absolute=2),
    Comparison(
        "LoRA of peft: rslora, patterns, biases, layers kept whole", "peft", compared_lora.peft_lora, absolute=1e-5
    ),
    Comparison("LoRA of peft: DoRA", "peft", compared_lora.peft_dora, absolute=1e-5),
    Comparison("LoRA in kohya's keys", "diffusers", compared_lora.kohya_lora, absolute=1e-5),
    Comparison("LoRA in diffusers' keys, with its notes", "diffusers", compared_lora.diffusers_lora, absolute=1e-5),
    Comparison("McNemar, p", "statsmodels", compared.mcnemar_grid, 1e-6),
    Comparison("Benjamini-Hochberg, adjusted p", "statsmodels", compared.discoveries, 1e-6),
)


def page() -> str:
    with tempfile.TemporaryDirectory() as folder:
        rows = [one.row(one.run(Path(folder, str(i)))) for i, one in enumerate(COMPARISONS)]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
