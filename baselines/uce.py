"""UCE: Unified Concept Editing in Diffusion Models.

Rohit Gandikota, Hadas Orgad, Yonatan Belinkov, Joanna Materzynska, David Bau. WACV 2024, arXiv 2308.14761.

Every cross-attention key and value matrix W maps the rows c_i of what is erased to v_i* = W_old c_i*, of its target,
and leaves the rows c_j of what is preserved where they were. Eq. 7, with the scales e, p and the ridge of the code:

    W = (e sum_i v_i* c_i^T + p sum_j W_old c_j c_j^T + ridge W_old)
        (e sum_i c_i c_i^T  + p sum_j c_j c_j^T       + ridge I)^-1

W_old stands on the left of it all, so one matrix serves every layer: see kit/linear.py. Presets: `paper` aligns the
rows of a concept and of its target from the last subject token on, and always preserves ''; `2025`, the authors' later
release, moves the one row of the last subject token and preserves nothing unasked.

On FLUX the later release edits two matrices, each by a closed form of its own: the one by which T5's states enter, and
the first that reads CLIP's pooled state. Of an empty text it reads T5's last row, by an index of -1, we its first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from dumo_bench.citation import Paper
from dumo_bench.hosts.parts import Reads
from dumo_bench.hosts.sd import Host, reads
from dumo_bench.interfaces import Method
from dumo_bench.kit import embeddings, linear
from dumo_bench.types import Edit

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "none": ("{}",),
    "art": ("{}", "painting by {}", "art by {}", "artwork by {}", "picture by {}", "style of {}"),
    "object": ("{}", "image of {}", "photo of {}", "portrait of {}", "picture of {}", "painting of {}"),
}
#: one row a concept leaves directions to spare in a text space of any width: the published value serves as it is
RIDGE_2025 = 0.5


@dataclass(frozen=True)
class UCE(Method):
    """`target` is what concepts are mapped to, None the preset's own; `preserve` strings stay.

    `@styles` and `@objects` among the preserved strings stand for what the model's own `world.json` lists; where it
    lists no styles, `@styles` are the published runs' other artists, if their list is on this machine. `augment` also
    moves the concept inside the phrases of its kind. preserve_scale and ridge None: the preset's own, for this model.
    Scales do not carry over from one preset to the other.
    """

    name: ClassVar[str] = "uce"
    version: ClassVar[str] = "4"
    cite: ClassVar[str] = "Gandikota et al., WACV 2024, arXiv 2308.14761"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "gandikota2024uce",
            "Unified Concept Editing in Diffusion Models",
            ("Rohit Gandikota", "Hadas Orgad", "Yonatan Belinkov", "Joanna Materzynska", "David Bau"),
            2024,
            venue="IEEE/CVF Winter Conference on Applications of Computer Vision",
            arxiv="2308.14761",
        ),
    )
    kinds: ClassVar[frozenset[str]] = frozenset({"sd", "sdxl", "flux"})
    by_kind: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "sdxl": {"preset": "2025"},
        "flux": {"preset": "2025", "preserve": ()},
    }
    tables: ClassVar[tuple[str, ...]] = ("linear", "uce")
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"target": "art", "preserve": ("@styles",)},
        "object": {"preserve": ("@objects", "@styles")},
        "explicit": {"preserve": ("@objects", "@styles")},
    }
    lists: ClassVar[Mapping[str, Mapping[str, str]]] = {"style": {"@styles": "artists-1734", "preset": "paper"}}
    bounds: ClassVar[Mapping[str, str]] = {"erase_scale": "[0, inf)", "preserve_scale": "[0, inf)", "ridge": "(0, inf)"}

    preset: Literal["paper", "2025"] = "paper"
    target: str | None = None
    preserve: tuple[str, ...] = ()
    augment: Literal["none", "art", "object"] = "none"
    erase_scale: float = 1.0
    preserve_scale: float | None = None
    ridge: float | None = None
    strength: float = 1.0

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del seed  # closed form: nothing is drawn
        host = embeddings.once(host)
        strings = self.preserved(host, erase)
        own_scale, own_ridge = self.own(host, len(erase), len(strings))
        ridge = own_ridge if self.ridge is None else self.ridge
        p = own_scale if self.preserve_scale is None else self.preserve_scale
        made: dict[str, Tensor] = {}
        for by in reads(host):
            c_i, target, c_j = self.rows(host, self.pairs(erase), strings, by)
            m = linear.factor(c_i, target, c_j, erase=self.erase_scale, preserve=p, ridge=ridge)
            made |= linear.times(host.unet, m, self.strength, by)
        return Edit(made, {"ridge_used": ridge, "preserved": len(strings)})

    def rows(
        self, host: Host, pairs: Sequence[tuple[str, str]], strings: Sequence[str], by: Reads | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows c_i to move and c_i* where to (n, d), rows c_j that must stay (m, d)."""
        if self.preset == "paper":
            return *embeddings.aligned(host, pairs, by), embeddings.whole(host, strings, by)
        old, new = ([pair[i] for pair in pairs] for i in (0, 1))
        move, to, stay = (embeddings.subject(host, texts, by) for texts in (old, new, strings))
        return move, to, stay

    def own(self, host: Host, concepts: int, preserved: int) -> tuple[float, float]:
        """The preset's weight of the preserved rows, and its ridge."""
        if self.preset == "paper":
            usual = linear.plan(host, self.name, concepts)
            return max(usual.least, 1 / max(1, preserved)), usual.ridge
        return 1.0, RIDGE_2025

    def pairs(self, erase: Sequence[str]) -> list[tuple[str, str]]:
        """What is moved and where to; a phrase goes to the bare target in the paper's preset, else to its like."""
        paper = self.preset == "paper"
        target = (" " if paper else "") if self.target is None else self.target
        return [(t.format(c), target if paper else t.format(target)) for c in erase for t in TEMPLATES[self.augment]]

    def preserved(self, host: Host, erase: Sequence[str]) -> list[str]:
        """The strings to preserve, none of them erased: the paper's list always starts with ''.

        Asked of `2025`, '' is the start token's row: also its empty target, and the first row of every prompt.
        """
        return embeddings.strings(host, ("", *self.preserve) if self.preset == "paper" else self.preserve, erase)
