"""Stable Diffusion 1.x and 2.x: one text tower, whose 77 states are all that the U-Net is told of a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from dumo_bench.hosts.parts import Folder, Reads, Tower
from dumo_bench.hosts.sd import Host, key_value_names


def load(folder: Folder) -> tuple[Any, tuple[Tower, ...]]:
    """The U-Net, and the text tower."""
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTokenizer

    return folder.network(UNet2DConditionModel, "unet"), (folder.clip(CLIPTextModel, CLIPTokenizer, ""),)


def encode(host: Host, texts: Sequence[str]) -> Tensor:
    """The last hidden states (n, 77, d)."""
    out: Tensor = host.text_encoder(host.towers[0].tokens(texts, host.device)[0]).last_hidden_state
    return out


def reads(host: Host) -> tuple[Reads, ...]:
    """All cross-attention keys and values read all rows."""
    return (Reads(tuple(key_value_names(host.unet)), slice(None), host.unet.config.cross_attention_dim, 0),)


def side(unet: Any) -> int:
    """Latents a side that it was made for."""
    return int(unet.config.sample_size)


def cross(unet: nn.Module) -> list[str]:
    """Everything inside the cross-attentions; 80 tensors on SD 1.x."""
    return [n for n, _ in unet.named_parameters() if "attn2" in n]


def other(unet: nn.Module) -> list[str]:
    """All but the cross-attentions, the embedding of time and the output layers; 598 tensors on SD 1.x."""
    out = ("time_embedding.", "conv_norm_out.", "conv_out.")
    return [n for n, _ in unet.named_parameters() if "attn2" not in n and not n.startswith(out)]


def other_linear(unet: nn.Module) -> list[str]:
    """Linear and convolution layers outside the cross-attentions, so no norms; 388 tensors on SD 1.x."""
    layers = [n for n, m in unet.named_modules() if isinstance(m, nn.Linear | nn.Conv2d) and "attn2" not in n]
    own = dict(unet.named_parameters())
    return [f"{n}.{kind}" for n in layers for kind in ("weight", "bias") if f"{n}.{kind}" in own]


def every(unet: nn.Module) -> list[str]:
    """All of the U-Net; 686 tensors on SD 1.x."""
    return [n for n, _ in unet.named_parameters()]


#: how papers call them -> names of the tensors in the U-Net
SELECTIONS: Mapping[str, Callable[[nn.Module], list[str]]] = {
    "attn2": cross,
    "kv": key_value_names,
    "noxattn": other,
    "noxattn-linear": other_linear,
    "full": every,
}
