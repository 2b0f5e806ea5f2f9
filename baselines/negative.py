"""Negative prompt: the erased concepts stand where the empty text of classifier-free guidance does.

A practice of Stable Diffusion's users, `negative_prompt` of diffusers' pipelines. With n for the erased concepts,

    e = eps(z, t, n) + s (eps(z, t, p) - eps(z, t, n))

so every picture is pushed away from them, at no cost, for as long as whoever samples asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch

from dumo_bench.hosts.sd import Host, edited, encode, stock_guide
from dumo_bench.interfaces import Method
from dumo_bench.types import Conditions, Denoiser, Edit, Guide


@dataclass(frozen=True)
class Negative(Method):
    """text: what to guide away from, None the erased concepts themselves, of every task, joined by commas.

    It takes the place of the negative prompt of the suite's own contract. strength: how far from that one to it, in
    the text encoder's states. At a guidance of 1 it does nothing.
    """

    name: ClassVar[str] = "negative"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "negative_prompt of diffusers' Stable Diffusion pipeline"
    kinds: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset({"negative"})

    text: str | None = None
    strength: float = 1.0

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, seed  # nothing is learnt
        return Edit({}, {"text": ", ".join(erase) if self.text is None else self.text})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        with edited(host, edit):
            yield partial(self.guide, host, edit.header["text"])

    def guide(self, host: Host, text: str, given: Conditions) -> Denoiser:
        """Guidance away from the text in place of the empty one."""
        away = encode(host, [text]).expand_as(given.uncond)
        return stock_guide(host, replace(given, uncond=torch.lerp(given.uncond, away, self.strength)))
