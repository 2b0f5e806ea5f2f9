"""Plugins that are what they seem: a method that scales one weight, a scorer that measures brightness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from dumo_bench.types import Edit, Sample, Score


@dataclass(frozen=True)
class Scaled:
    """Multiplies the first cross-attention key by `factor`."""

    name: ClassVar[str] = "scaled"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    needs: ClassVar[frozenset[str]] = frozenset({"unet"})

    factor: float = 0.5
    mode: str = "plain"

    def fit(self, host, erase: Sequence[str], *, seed: int) -> Edit:
        from dumo_bench.hosts.sd import key_value_names

        name = key_value_names(host.unet)[0]
        return Edit({f"unet.{name}": dict(host.unet.named_parameters())[name].detach() * self.factor}, {"seed": seed})

    @contextmanager
    def apply(self, host, edit: Edit) -> Iterator:
        from dumo_bench.hosts.sd import edited, stock_guide

        with edited(host, edit):
            yield partial(stock_guide, host)


@dataclass(frozen=True)
class Brightness:
    """The mean of all pixels, 0..1."""

    name: ClassVar[str] = "brightness"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    higher_is_better: ClassVar[Mapping[str, bool | None]] = {"brightness": None}

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return [[self._one(sample)] for sample in samples]

    def _one(self, sample: Sample) -> Score:
        import numpy as np
        from PIL import Image

        if not sample.image.exists():
            return Score("brightness", None, "no picture")
        with Image.open(sample.image) as picture:
            return Score("brightness", float(np.asarray(picture).mean() / 255))
