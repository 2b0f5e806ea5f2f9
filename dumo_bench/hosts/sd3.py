"""Stable Diffusion 3: a transformer that is told the states of two CLIP towers and of T5, and a pooled state.

Esser et al., ICML 2024, arXiv 2403.03206. It tells the velocity noise - x_0 of x_t = (1 - t) x_0 + t noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.hosts import models
from dumo_bench.hosts.flux import attention, keys_values
from dumo_bench.hosts.parts import Folder, Tower, below
from dumo_bench.hosts.sd import Host
from dumo_bench.hosts.unet import side

__all__ = ["SELECTIONS", "encode", "load", "side"]

LENGTH = 256  # StableDiffusion3Pipeline's tokens of a text for T5


@cache
def network() -> type:
    """SD3's transformer, called as a U-Net is: `net(z, t, encoder_hidden_states=context).sample`."""
    from diffusers import SD3Transformer2DModel

    class SD3(SD3Transformer2DModel):  # type: ignore[misc]  # diffusers is not annotated
        def forward(self, z: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
            """z (n, c, h, w), t () or (n,) of 1000, context (n, rows, d)."""
            said = super().forward(
                hidden_states=z,
                encoder_hidden_states=encoder_hidden_states[:, :-1, : self.config.joint_attention_dim],
                pooled_projections=encoder_hidden_states[:, -1, : self.config.pooled_projection_dim],
                timestep=t.expand(len(z)),
                return_dict=False,
            )[0]
            return SimpleNamespace(sample=said)

    return SD3


def load(folder: Folder) -> tuple[Any, tuple[Tower, ...]]:
    """The transformer, two CLIP towers and T5."""
    from transformers import AutoTokenizer, CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel

    clips = [folder.clip(CLIPTextModelWithProjection, CLIPTokenizer, which) for which in ("", "_2")]
    length = models.index(folder.path).get(models.LENGTH, LENGTH)
    t5 = Tower(folder.words(AutoTokenizer, "tokenizer_3"), folder.tower(T5EncoderModel, "text_encoder_3"), length)
    return folder.network(network(), "transformer"), (*clips, t5)


def encode(host: Host, texts: Sequence[str]) -> Tensor:
    """CLIP's last states but one, both towers' side by side; below them T5's; then both pooled states as one row."""
    *clips, t5 = host.towers
    said = [tower.encoder(tower.tokens(texts, host.device)[0], output_hidden_states=True) for tower in clips]
    states = torch.cat([one.hidden_states[-2] for one in said], -1)
    more = t5.encoder(t5.tokens(texts, host.device)[0])[0]
    both = torch.cat([nn.functional.pad(states, (0, more.shape[-1] - states.shape[-1])), more], 1)
    return below(both, torch.cat([one.text_embeds for one in said], -1))


#: how papers call them -> names of the tensors in the transformer
SELECTIONS: Mapping[str, Callable[[nn.Module], list[str]]] = {"attn": attention, "attn-kv": keys_values}
