"""Blank pictures: the same empty picture for every prompt. It erases everything, targets and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dumo_bench.hosts.sample import scheduler
from dumo_bench.hosts.sd import Host, fits
from dumo_bench.interfaces import Method
from dumo_bench.types import Conditions, Denoiser, Edit, Guide


@dataclass(frozen=True)
class Blank(Method):
    """It says at every step that all of z is noise, so that what is left is the latent 0."""

    name: ClassVar[str] = "blank"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "a known answer, no eraser"
    kinds: ClassVar[frozenset[str]] = frozenset()

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, erase, seed  # nothing is learnt
        return Edit({}, {})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        fits(host, edit)
        if host.kind.flow:
            yield lambda given: lambda z, t: z / (t / 1000)  # z = (1 - t) x + t noise and noise - x, with x = 0
            return
        kept: Tensor = scheduler(host, "ddim", 1).alphas_cumprod.to(host.device)
        velocity = host.schedule.get("prediction_type") == "v_prediction"

        def guide(given: Conditions) -> Denoiser:
            del given  # nobody is asked

            def denoise(z: Tensor, t: Tensor) -> Tensor:
                alpha = kept[t.long()].to(z.dtype)
                noise: Tensor = z / (1 - alpha).sqrt()  # z = sqrt(alpha) x + sqrt(1 - alpha) noise, with x = 0
                return noise * alpha.sqrt() if velocity else noise

            return denoise

        yield guide
