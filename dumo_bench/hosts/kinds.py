"""Kinds of hosts: what sets one family of diffusers models apart from another, as values. No torch.

The `_class_name` of a model_index.json tells the kind. Adding one is a row here and a file beside this one, which
loads its parts, reads its texts and names its weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """A family of models.

    name: as methods say it in `kinds`. pipeline: its class in diffusers. parts: the folders it is made of, of which
    `network` is what methods edit; edits call its tensors by that name. code: the module that knows it.
    sampler: of a flow model, what samples it where suites and methods name samplers of noise; "" for those of noise.
    early: latents at this timestep (of 1000) and above are mostly noise. patch: latents a side that belong together.
    side: latents a side where no configuration says it.
    """

    name: str
    title: str
    pipeline: str
    parts: tuple[str, ...]
    network: str
    code: str
    sampler: str = ""
    early: int = 750
    patch: int = 1
    side: int | None = None

    @property
    def flow(self) -> bool:
        """Whether it tells the velocity along straight lines from noise to pictures."""
        return bool(self.sampler)


SD = Kind(
    "sd",
    "Stable Diffusion 1.x/2.x",
    "StableDiffusionPipeline",
    ("unet", "vae", "text_encoder", "tokenizer", "scheduler"),
    "unet",
    "dumo_bench.hosts.unet",
)
SDXL = Kind(
    "sdxl",
    "Stable Diffusion XL",
    "StableDiffusionXLPipeline",
    ("unet", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "scheduler"),
    "unet",
    "dumo_bench.hosts.sdxl",
)
#: signal and noise stand at 800 of a flow as they do at 750 of Stable Diffusion
FLUX = Kind(
    "flux",
    "FLUX",
    "FluxPipeline",
    ("transformer", "vae", "text_encoder", "tokenizer", "text_encoder_2", "tokenizer_2", "scheduler"),
    "transformer",
    "dumo_bench.hosts.flux",
    sampler="flow-euler",
    early=800,
    patch=2,
    side=128,
)

SD3 = Kind(
    "sd3",
    "Stable Diffusion 3",
    "StableDiffusion3Pipeline",
    (
        "transformer",
        "vae",
        *(f"{part}{i}" for i in ("", "_2", "_3") for part in ("text_encoder", "tokenizer")),
        "scheduler",
    ),
    "transformer",
    "dumo_bench.hosts.sd3",
    sampler="flow-euler-trained",
    early=800,
    patch=2,
)

KINDS: tuple[Kind, ...] = (SD, SDXL, FLUX, SD3)


def named(name: str) -> Kind | None:
    """The kind that methods call so."""
    return next((kind for kind in KINDS if kind.name == name), None)


def of(index: Mapping[str, Any]) -> Kind | None:
    """The kind of a model by its model_index.json; None of an index that names what is not known here.

    Whatever is made of a U-Net and one text encoder is Stable Diffusion, whichever of its pipelines an index names.
    """
    found = next((kind for kind in KINDS if kind.pipeline == index.get("_class_name")), None)
    if found is None and "transformer" not in index and "text_encoder_2" not in index:
        return SD
    return found
