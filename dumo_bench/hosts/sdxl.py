"""Stable Diffusion XL: a U-Net that is told two towers' states side by side, a pooled state, and the picture's size.

Podell et al., ICLR 2024, arXiv 2307.01952. The size is the picture's own, uncropped. The empty negative prompt is read
as any text; the pipeline of diffusers fills in zeros where none is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.hosts import unet
from dumo_bench.hosts.parts import Folder, Reads, Tower, below
from dumo_bench.hosts.sd import Host, key_value_names
from dumo_bench.hosts.unet import side

__all__ = ["SELECTIONS", "encode", "load", "reads", "side"]


@cache
def network() -> type:
    """SDXL's U-Net, called as that of Stable Diffusion is: `net(z, t, encoder_hidden_states=context).sample`."""
    from diffusers import UNet2DConditionModel

    class XL(UNet2DConditionModel):  # type: ignore[misc]  # diffusers is not annotated
        pixels = 8  # a latent, along one side

        def forward(self, z: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
            """z (n, c, h, w), t () or (n,) of 1000, context (n, 78, d)."""
            config = self.config
            pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
            size = [self.pixels * side for side in z.shape[2:]]
            told = torch.tensor([*size, 0, 0, *size], device=z.device, dtype=z.dtype).expand(len(z), -1)
            more = {"text_embeds": encoder_hidden_states[:, -1, :pooled], "time_ids": told}
            states = encoder_hidden_states[:, :-1, : config.cross_attention_dim]
            (said,) = super().forward(z, t, encoder_hidden_states=states, added_cond_kwargs=more, return_dict=False)
            return SimpleNamespace(sample=said)

    return XL


def load(folder: Folder) -> tuple[Any, tuple[Tower, ...]]:
    """The U-Net, and both text towers."""
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    net = folder.network(network(), "unet")
    net.pixels = folder.pixels
    parts = (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection))
    return net, tuple(folder.clip(cls, CLIPTokenizer, which) for which, cls in parts)


def encode(host: Host, texts: Sequence[str]) -> Tensor:
    """Both towers' last states but one, side by side, then the second's pooled state: (n, 78, d)."""
    first, second = (
        tower.encoder(tower.tokens(texts, host.device)[0], output_hidden_states=True) for tower in host.towers
    )
    return below(torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), second.text_embeds)


def reads(host: Host) -> tuple[Reads, ...]:
    """All cross-attention keys and values read both towers' states."""
    return (Reads(tuple(key_value_names(host.unet)), slice(None, -1), host.unet.config.cross_attention_dim, 0),)


def blocks(net: nn.Module) -> list[str]:
    """Linear and convolution layers of blocks outside the cross-attentions and the embeddings: the release's ESD-u."""
    return [name for name in unet.other_linear(net) if "block" in name and "emb" not in name]


#: how papers call them -> names of the tensors in the U-Net
SELECTIONS: Mapping[str, Callable[[nn.Module], list[str]]] = {**unet.SELECTIONS, "noxattn-blocks": blocks}
