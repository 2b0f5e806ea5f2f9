"""UCE: Unified Concept Editing in Diffusion Models.

Rohit Gandikota, Hadas Orgad, Yonatan Belinkov, Joanna Materzynska, David Bau. WACV 2024, arXiv 2308.14761.
The paper's preset: rows of a concept and of its target are aligned from the last subject token on, '' is preserved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from dumo_bench.kit import linear
from dumo_bench.sd import Host, edited, encode, stock_guide, tokens
from dumo_bench.types import Edit, Guide

#: text width -> weight of |W - W0|^2. 768 is the paper's; a text space of 128 has far fewer spare directions for
#: the same 77 rows a concept, so the paper's weight would also erase everything else.
RIDGE: Mapping[int, float] = {768: 0.5, 128: 20.0}


@dataclass(frozen=True)
class UCE:
    """`target` is what concepts are mapped to; `preserve` strings stay; `ridge` None takes the model's own.

    `@styles` among the preserved strings stands for the styles that the model's own `world.json` lists.
    """

    name: ClassVar[str] = "uce"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Gandikota et al., WACV 2024, arXiv 2308.14761"
    needs: ClassVar[frozenset[str]] = frozenset({"unet"})
    by_task: ClassVar[Mapping[str, Mapping[str, Any]]] = {"style": {"target": "art", "preserve": ("", "@styles")}}

    target: str = " "
    preserve: tuple[str, ...] = ("",)
    erase_scale: float = 1.0
    preserve_scale: float | None = None  # None: max(0.1, 1 / number of preserved strings)
    ridge: float | None = None
    strength: float = 1.0

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del seed  # closed form: nothing is drawn
        pairs = [aligned(host, concept, self.target) for concept in erase]
        old, new = (torch.cat(rows) for rows in zip(*pairs, strict=True))
        strings = self.kept(host, erase)
        keep = encode(host, strings).flatten(0, 1)
        width = old.shape[1]
        ridge = RIDGE.get(width, RIDGE[768]) if self.ridge is None else self.ridge
        kept = max(0.1, 1 / len(strings)) if self.preserve_scale is None else self.preserve_scale
        m = linear.factor(old, new, keep, erase=self.erase_scale, preserve=kept, ridge=ridge)
        eye = torch.eye(width, dtype=m.dtype, device=m.device)
        return Edit(
            linear.times(host.unet, eye + self.strength * (m - eye)), {"ridge_used": ridge, "preserved": len(strings)}
        )

    def kept(self, host: Host, erase: Sequence[str]) -> list[str]:
        """The strings to preserve: never one that is erased."""
        lists = {f"@{name}": words for name, words in host.world.items()}
        every = [w for s in self.preserve for w in (lists.get(s, ()) if s.startswith("@") else (s,))]
        return [w for w in every if w not in erase]

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        with edited(host, edit):
            yield partial(stock_guide, host)


def aligned(host: Host, concept: str, target: str) -> tuple[Tensor, Tensor]:
    """Rows (n, d) of a concept and of its target, each from its last subject token to the end, cut to equal length."""
    states, mask = encode(host, [concept, target]), tokens(host, [concept, target])[1]
    last = [int(length) - 2 for length in mask.sum(1)]  # the end token is the last that the mask counts
    rows = min(states.shape[1] - k for k in last)
    return states[0, last[0] :][:rows], states[1, last[1] :][:rows]
