"""CompVis keys (`model.diffusion_model.*`), as ESD's first training code and SD 1.x single files have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dumo_bench.types import UserError

PREFIX = "model.diffusion_model."


def is_compvis(held: Mapping[str, Any]) -> bool:
    return any(name.startswith(PREFIX) for name in held)


def convert(held: Mapping[str, Tensor], config: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The U-Net's tensors under diffusers' names, by diffusers' own converter, and the names that it left out.

    The file's VAE and text encoder are not looked at: no published eraser changes them.
    """
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    mine = {name: tensor for name, tensor in held.items() if name.startswith(PREFIX)}
    try:
        made = convert_ldm_unet_checkpoint(dict(mine), config)
    except KeyError as error:
        raise UserError(f"CompVis keys without {PREFIX}{error.args[0]}: the file is not whole") from error
    whole = {name: tensor for name, tensor in made.items() if isinstance(tensor, Tensor)}
    taken = {id(tensor) for tensor in whole.values()}  # the converter renames, it never copies
    return whole, [name for name, tensor in mine.items() if id(tensor) not in taken]
