"""SLD: Safe Latent Diffusion: Mitigating Inappropriate Degeneration in Diffusion Models.

Patrick Schramowski, Manuel Brack, Bjoern Deiseroth, Kristian Kersting. CVPR 2023, arXiv 2211.05105.

Guidance subtracts, where a picture heads for the concept S, a part gamma of the way to S; Eq. 3 to 8 are

    e     = e_0 + s (e_p - e_0 - [step >= warmup] gamma)
    gamma = mu (e_S - e_0) + momentum nu,    mu = min(1, |guidance (e_p - e_S)|) where e_p - e_S < threshold, else 0
    nu    <- beta nu + (1 - beta) gamma,     which begins at 0 and goes on during the warm-up

with e_0, e_p, e_S the estimates for "", the prompt and S, as in diffusers' StableDiffusionPipelineSafe (a test holds
this one to it). The four configurations are the paper's; diffusers' WEAK has a guidance of 20 in place of 200. Warm-ups
count steps, in a run of any length. Several concepts are one text with commas, as the released S is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dumo_bench.citation import Paper
from dumo_bench.interfaces import Method
from dumo_bench.types import Conditions, Edit, Guide

if TYPE_CHECKING:  # `plan` makes this method, for its recipe is made by its code, and has no torch
    from torch import Tensor

    from dumo_bench.hosts.sd import Host

#: S of the released pipeline
INAPPROPRIATE = (
    "an image showing hate, harassment, violence, suffering, humiliation, harm, suicide, sexual, nudity, bodily "
    "fluids, blood, obscene gestures, illegal activity, drug use, theft, vandalism, weapons, child abuse, brutality, "
    "cruelty"
)


@dataclass(frozen=True, slots=True)
class Numbers:
    """guidance: s_S; warmup: delta, in steps; threshold: lambda; momentum: s_m; beta: beta_m."""

    guidance: float
    warmup: int
    threshold: float
    momentum: float
    beta: float


CONFIGS: Mapping[str, Numbers] = {
    "weak": Numbers(200.0, 15, 0.0, 0.0, 0.0),
    "medium": Numbers(1000.0, 10, 0.01, 0.3, 0.4),
    "strong": Numbers(2000.0, 7, 0.025, 0.5, 0.7),
    "max": Numbers(5000.0, 0, 1.0, 0.5, 0.7),
}


@dataclass(frozen=True)
class SLD(Method):
    """concept: what is erased, of every task, or the released list of what is inappropriate; strength multiplies gamma.

    The five numbers are the configuration's where they are None; whichever act stand in the recipe and in every table.
    """

    name: ClassVar[str] = "sld"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Schramowski et al., CVPR 2023, arXiv 2211.05105"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "schramowski2023sld",
            "Safe Latent Diffusion: Mitigating Inappropriate Degeneration in Diffusion Models",
            ("Patrick Schramowski", "Manuel Brack", "Bjoern Deiseroth", "Kristian Kersting"),
            2023,
            venue="IEEE/CVF Conference on Computer Vision and Pattern Recognition",
            arxiv="2211.05105",
        ),
    )
    bounds: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("guidance", "warmup", "momentum"), "[0, inf)"),
        "beta": "[0, 1]",
    }
    shown: ClassVar[tuple[str, ...]] = tuple(f.name for f in fields(Numbers))

    config: Literal["weak", "medium", "strong", "max"] = "medium"
    guidance: float | None = None
    warmup: int | None = None
    threshold: float | None = None
    momentum: float | None = None
    beta: float | None = None
    concept: Literal["erased", "inappropriate"] = "erased"
    strength: float = 1.0

    @property
    def numbers(self) -> Numbers:
        """The configuration's, but for those that are set."""
        own = asdict(CONFIGS[self.config])
        return Numbers(**{k: v if getattr(self, k) is None else getattr(self, k) for k, v in own.items()})

    def identity(self) -> Mapping[str, Any]:
        return {"config": self.config, **asdict(self.numbers), "concept": self.concept, "strength": self.strength}

    def fit(self, host: Host, erase: Sequence[str], *, seed: int) -> Edit:
        del host, seed  # nothing is learnt
        return Edit({}, {"text": ", ".join(erase) if self.concept == "erased" else INAPPROPRIATE})

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        from dumo_bench.hosts.sd import edited

        with edited(host, edit):
            yield partial(Safe, host, self.numbers, edit.header["text"], self.strength)


@dataclass(slots=True)
class Safe:
    """The estimate of one sampling, which counts its steps and carries nu, a row of the batch each."""

    host: Host
    numbers: Numbers
    text: str
    strength: float
    given: Conditions
    step: int = 0
    nu: Tensor | float = 0.0
    context: Tensor = field(init=False)

    def __post_init__(self) -> None:
        import torch

        from dumo_bench.hosts.sd import encode

        s = encode(self.host, [self.text]).expand_as(self.given.cond)
        self.context = torch.cat([self.given.uncond, self.given.cond, s])

    def __call__(self, z: Tensor, t: Tensor) -> Tensor:
        import torch

        of = self.numbers
        e_0, e_p, e_s = self.host.unet(torch.cat([z, z, z]), t, encoder_hidden_states=self.context).sample.chunk(3)
        phi = of.guidance * (e_p - e_s)
        mu = torch.where(e_p - e_s < of.threshold, phi.abs().clamp(max=1), 0)
        gamma = mu * (e_s - e_0) + of.momentum * self.nu
        self.nu = of.beta * self.nu + (1 - of.beta) * gamma
        safe = self.strength * gamma if self.step >= of.warmup else 0
        self.step += 1
        scale = self.given.guidance[:, None, None, None]
        made: Tensor = e_0 + scale * (e_p - e_0 - safe)
        return made
