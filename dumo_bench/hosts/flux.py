"""FLUX: a transformer that is told a text twice, by T5's states and by CLIP's pooled state (Black Forest Labs, 2024).

It tells the velocity noise - x_0 of x_t = (1 - t) x_0 + t noise, on patches of 2 x 2 latents. FLUX.1-dev is also told
how far it is to be guided; any other is guided by what it tells of the negative prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.hosts import models
from dumo_bench.hosts.kinds import FLUX
from dumo_bench.hosts.parts import Folder, Reads, Tower, below
from dumo_bench.hosts.sd import Host

LENGTH, SIDE, PATCH = 512, FLUX.side, FLUX.patch  # of a text's tokens as many as FluxPipeline takes
GUIDANCE = 1.0  # that FLUX.1-dev is told where nobody says


@cache
def network() -> type:
    """FLUX's transformer, called as a U-Net is: `net(z, t, encoder_hidden_states=context).sample`."""
    from diffusers import FluxTransformer2DModel

    class Flux(FluxTransformer2DModel):  # type: ignore[misc]  # diffusers is not annotated
        made_for = SIDE

        def forward(
            self, z: Tensor, t: Tensor, encoder_hidden_states: Tensor, guidance: Tensor | None = None
        ) -> SimpleNamespace:
            """z (n, c, h, w), t () or (n,) of 1000, context (n, rows, d), guidance (n,)."""
            states, pooled = encoder_hidden_states[:, :-1], encoder_hidden_states[:, -1]
            told = torch.full((len(z),), GUIDANCE, device=z.device) if guidance is None else guidance
            said = super().forward(
                hidden_states=packed(z),
                encoder_hidden_states=states[..., : self.config.joint_attention_dim],
                pooled_projections=pooled[:, : self.config.pooled_projection_dim],
                timestep=t.expand(len(z)).to(z.dtype) / 1000,
                guidance=told.to(torch.float32) if self.config.guidance_embeds else None,
                img_ids=places(z),
                txt_ids=torch.zeros(states.shape[1], 3, device=z.device, dtype=z.dtype),
                return_dict=False,
            )[0]
            return SimpleNamespace(sample=unpacked(said, z.shape[2:]))

    return Flux


def load(folder: Folder) -> tuple[Any, tuple[Tower, ...]]:
    """The transformer; CLIP's tower, of which the pooled state is read, and T5's, or what stands in its place."""
    from transformers import AutoTokenizer, CLIPTextModel, CLIPTokenizer

    index = models.index(folder.path)
    net = folder.network(network(), "transformer")
    net.made_for = index.get(models.SIDE, SIDE)
    clip = folder.clip(CLIPTextModel, CLIPTokenizer, "")
    other = folder.tower(_second(index), "text_encoder_2")
    return net, (clip, Tower(folder.words(AutoTokenizer, "tokenizer_2"), other, index.get(models.LENGTH, LENGTH)))


def _second(index: Mapping[str, Any]) -> Any:
    """The class of the second text tower, by the index."""
    import transformers

    known = {"T5EncoderModel", "CLIPTextModel"}
    said = index.get("text_encoder_2", ["", "T5EncoderModel"])[1]
    if said not in known:
        raise ValueError(f"text_encoder_2 is of class {said}: wanted one of {', '.join(sorted(known))}")
    return getattr(transformers, said)


def encode(host: Host, texts: Sequence[str]) -> Tensor:
    """T5's states, then CLIP's pooled state as one more row, filled up with zeros: (n, tokens + 1, d)."""
    clip, t5 = host.towers
    states = t5.encoder(t5.tokens(texts, host.device)[0])[0]
    pooled = clip.encoder(clip.tokens(texts, host.device)[0]).pooler_output
    return below(states, pooled)


def reads(host: Host) -> tuple[Reads, ...]:
    """The states enter by one matrix, the pooled state by another."""
    states, pooled = ("context_embedder.weight",), ("time_text_embed.text_embedder.linear_1.weight",)
    config, network = host.unet.config, host.kind.network
    return (
        Reads(states, slice(None, -1), config.joint_attention_dim, 1, network),
        Reads(pooled, slice(-1, None), config.pooled_projection_dim, None, network),
    )


def side(net: Any) -> int:
    """Latents a side that it was made for."""
    return int(net.made_for)


def attention(net: nn.Module) -> list[str]:
    """Every linear layer whose name has "attn" in it."""
    return _linear(net, lambda name: "attn" in name)


def keys_values(net: nn.Module) -> list[str]:
    """Of these the keys and values, of the pictures' stream in double blocks and of the one in single blocks."""
    return _linear(net, lambda name: "attn" in name and name.endswith(("to_k", "to_v")))


def _linear(net: nn.Module, asked: Callable[[str], bool]) -> list[str]:
    layers = [name for name, layer in net.named_modules() if isinstance(layer, nn.Linear) and asked(name)]
    own = dict(net.named_parameters())
    return [f"{name}.{kind}" for name in layers for kind in ("weight", "bias") if f"{name}.{kind}" in own]


#: how papers call them -> names of the tensors in the transformer
SELECTIONS: Mapping[str, Callable[[nn.Module], list[str]]] = {"attn": attention, "attn-kv": keys_values}


def packed(z: Tensor) -> Tensor:
    """Latents (n, c, h, w) as patches (n, h w / 4, 4 c), in FLUX's order."""
    n, c, h, w = z.shape
    patches = z.reshape(n, c, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 4, 1, 3, 5)
    return patches.reshape(n, h * w // PATCH**2, c * PATCH**2)


def unpacked(x: Tensor, size: Sequence[int]) -> Tensor:
    """The inverse of `packed`, of latents h x w."""
    (n, _, c), (h, w) = x.shape, size
    z = x.view(n, h // PATCH, w // PATCH, c // PATCH**2, PATCH, PATCH).permute(0, 3, 1, 4, 2, 5)
    return z.reshape(n, c // PATCH**2, h, w)


def places(z: Tensor) -> Tensor:
    """Positions (h w / 4, 3) of the patches of latents, as FluxPipeline makes them."""
    down, right = (torch.arange(n // PATCH, device=z.device, dtype=z.dtype) for n in z.shape[2:])
    grid = torch.meshgrid(down, right, indexing="ij")
    return torch.stack([torch.zeros_like(grid[0]), *grid], -1).reshape(-1, 3)
