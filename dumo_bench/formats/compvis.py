"""CompVis keys (`model.diffusion_model.*`), as ESD's first training code and SD 1.x single files have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dumo_bench.errors import UserError

PREFIX = "model.diffusion_model."
#: the other parts of a Stable Diffusion file: VAE, text encoder, and the buffers of its noise schedule
VAE, TEXT, TEXT2 = "first_stage_model.", "cond_stage_model.transformer.", "cond_stage_model.model."
SCHEDULE = frozenset({
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
    "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2", "logvar", "scale_factor",
})  # fmt: skip


def is_compvis(held: Mapping[str, Any]) -> bool:
    return any(name.startswith(PREFIX) for name in held)


def without_schedule(held: Mapping[str, Any]) -> dict[str, Any]:
    """What a file holds without the buffers of its noise schedule, which the sampler of a suite says."""
    return {name: value for name, value in held.items() if name not in SCHEDULE}


def text(held: Mapping[str, Tensor], encoder: Any) -> dict[str, Tensor]:
    """The text encoder's tensors under its own names: SD 1.x has these, SD 2.x has open_clip's, which diffusers tells.

    An open_clip tensor that diffusers leaves out, as those of the last layer, is left out here.
    """
    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint

    if any(name.startswith(TEXT2) for name in held):
        made = convert_open_clip_checkpoint(encoder, dict(held), prefix=TEXT2)
        return {name: tensor for name, tensor in made.items() if isinstance(tensor, Tensor)}
    return {name.removeprefix(TEXT): tensor for name, tensor in held.items() if name.startswith(TEXT)}


def vae(held: Mapping[str, Tensor], config: Any) -> dict[str, Tensor]:
    """The VAE's tensors under diffusers' names, by diffusers' own converter; {} where the file has none."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    mine = {name: tensor for name, tensor in held.items() if name.startswith(VAE)}
    if not mine:
        return {}
    try:
        made = convert_ldm_vae_checkpoint(mine, config)
    except KeyError as error:
        raise UserError(f"CompVis keys without {VAE}{error.args[0]}: the file is not whole") from error
    return {name: tensor for name, tensor in made.items() if isinstance(tensor, Tensor)}


def attention(held: Mapping[str, Tensor], config: Any) -> dict[str, Tensor] | None:
    """The tensors of a file of cross-attentions alone under diffusers' names, None of any other file.

    diffusers' converter takes whole networks only. With L layers a block, input block 1 + (L + 1) b + l is layer l of
    down block b, output block (L + 1) b + l of up block b.
    """
    found = {name: _PLACE.match(name) for name in held}
    if not all(found.values()):
        return None
    step = config.layers_per_block + 1
    return {_layer(match, step): held[name] for name, match in found.items() if match is not None}


_PLACE = re.compile(
    rf"{re.escape(PREFIX)}(?:(input|output)_blocks\.(\d+)|middle_block)\.1\.(transformer_blocks\.\d+\.attn2\..+)"
)


def _layer(match: re.Match[str], step: int) -> str:
    side, at, rest = match.groups()
    if side is None:
        return f"mid_block.attentions.0.{rest}"
    block, layer = divmod(int(at) - (side == "input"), step)
    return f"{'down' if side == 'input' else 'up'}_blocks.{block}.attentions.{layer}.{rest}"


def convert(held: Mapping[str, Tensor], config: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The U-Net's tensors under diffusers' names, by diffusers' own converter, and the names that it left out."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    mine = {name: tensor for name, tensor in held.items() if name.startswith(PREFIX)}
    try:
        made = convert_ldm_unet_checkpoint(dict(mine), config)
    except KeyError as error:
        raise UserError(f"CompVis keys without {PREFIX}{error.args[0]}: the file is not whole") from error
    whole = {name: tensor for name, tensor in made.items() if isinstance(tensor, Tensor)}
    taken = {id(tensor) for tensor in whole.values()}  # the converter renames, it never copies
    return whole, [name for name, tensor in held.items() if id(tensor) not in taken]
