"""UCE: Unified Concept Editing in Diffusion Models.

Rohit Gandikota, Hadas Orgad, Yonatan Belinkov, Joanna Materzynska, David Bau. WACV 2024, arXiv 2308.14761.
Presets: `paper` aligns the rows of a concept and of its target from the last subject token on, and always preserves '';
`2025`, the authors' later release, moves the one row of the last subject token and preserves nothing unasked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from dumo_bench.hosts.sd import Host
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

    `@styles` and `@objects` among the preserved strings stand for what the model's own `world.json` lists. `augment`
    also moves the concept inside the phrases of its kind. preserve_scale and ridge None: the preset's own, for this
    model. Scales do not carry over from one preset to the other.
    """

    name: ClassVar[str] = "uce"
    version: ClassVar[str] = "4"
    cite: ClassVar[str] = "Gandikota et al., WACV 2024, arXiv 2308.14761"
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "style": {"target": "art", "preserve": ("@styles",)},
        "object": {"preserve": ("@objects", "@styles")},
        "explicit": {"preserve": ("@objects", "@styles")},
    }
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
        strings = self.kept(host, erase)
        own_scale, own_ridge = self.own(host, len(strings))
        ridge = own_ridge if self.ridge is None else self.ridge
        kept = own_scale if self.preserve_scale is None else self.preserve_scale
        old, new, keep = self.rows(host, self.pairs(erase), strings)
        m = linear.factor(old, new, keep, erase=self.erase_scale, preserve=kept, ridge=ridge)
        return Edit(linear.times(host.unet, m, self.strength), {"ridge_used": ridge, "preserved": len(strings)})

    def rows(
        self, host: Host, pairs: Sequence[tuple[str, str]], strings: Sequence[str]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows to move and where to (n, d), rows that must stay (m, d)."""
        if self.preset == "paper":
            return *embeddings.aligned(host, pairs), embeddings.whole(host, strings)
        old, new = ([pair[i] for pair in pairs] for i in (0, 1))
        return embeddings.subject(host, old), embeddings.subject(host, new), embeddings.subject(host, strings)

    def own(self, host: Host, preserved: int) -> tuple[float, float]:
        """The preset's weight of the preserved rows, and its ridge."""
        if self.preset == "paper":
            return max(linear.least_of(host), 1 / max(1, preserved)), linear.ridge_of(host)
        return 1.0, RIDGE_2025

    def pairs(self, erase: Sequence[str]) -> list[tuple[str, str]]:
        """What is moved and where to; a phrase goes to the bare target in the paper's preset, else to its like."""
        paper = self.preset == "paper"
        target = (" " if paper else "") if self.target is None else self.target
        return [(t.format(c), target if paper else t.format(target)) for c in erase for t in TEMPLATES[self.augment]]

    def kept(self, host: Host, erase: Sequence[str]) -> list[str]:
        """The strings to preserve, none of them erased: the paper's list always starts with ''.

        Asked of `2025`, '' is the start token's row: also its empty target, and the first row of every prompt.
        """
        return embeddings.strings(host, ("", *self.preserve) if self.preset == "paper" else self.preserve, erase)
