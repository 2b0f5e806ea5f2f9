"""Plugins that are what they seem: a method that scales one weight, a scorer that measures brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from dumo_bench.interfaces import Method, Scorer
from dumo_bench.types import Edit, Metric, Sample, Score


@dataclass(frozen=True)
class Scaled(Method):
    """Multiplies the first cross-attention key by `factor`."""

    name: ClassVar[str] = "scaled"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"

    factor: float = 0.5
    mode: str = "plain"

    def fit(self, host, erase: Sequence[str], *, seed: int) -> Edit:
        from dumo_bench.hosts.sd import key_value_names

        name = key_value_names(host.unet)[0]
        return Edit({f"unet.{name}": dict(host.unet.named_parameters())[name].detach() * self.factor}, {"seed": seed})


@dataclass(frozen=True)
class Brightness(Scorer):
    """The mean of all pixels, 0..1."""

    name: ClassVar[str] = "brightness"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a test"
    metrics = (Metric("brightness", "0 to 1", "neither"),)

    def score(self, samples: Sequence[Sample]) -> Sequence[Sequence[Score]]:
        return [[self._one(sample)] for sample in samples]

    def _one(self, sample: Sample) -> Score:
        import numpy as np
        from PIL import Image

        if not sample.image.exists():
            return Score("brightness", None, "no picture", "unreadable")
        with Image.open(sample.image) as picture:
            return Score("brightness", float(np.asarray(picture).mean() / 255))


@dataclass(frozen=True)
class Lit(Brightness):
    """Whether a picture is brighter than grey, as if that showed what its prompt asks for."""

    name: ClassVar[str] = "lit"
    metrics = (Metric("lit", "0 or 1", "lower", kind="rate", measures="present"),)

    def _one(self, sample: Sample) -> Score:
        value = super()._one(sample).value
        return Score("lit", None, "no picture", "unreadable") if value is None else Score("lit", float(value > 0.5))
