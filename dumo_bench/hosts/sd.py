"""The host: Stable Diffusion 1.x/2.x taken apart, and the small operations every method needs on it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.errors import UserError
from dumo_bench.storage import hub
from dumo_bench.types import Conditions, Denoiser, Draw, Edit

CHUNK = 16  # pictures decoded at once, at most


@dataclass(frozen=True, eq=False)
class Host:
    """A loaded model. `hash` is of its weights; `world` what it says of its own vocabulary (emoji-sd does)."""

    tokenizer: Any
    text_encoder: nn.Module
    unet: Any
    vae: Any
    schedule: Mapping[str, Any]
    model: str
    hash: str
    world: Mapping[str, Any]

    @property
    def device(self) -> torch.device:
        found: torch.device = self.unet.device
        return found

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = self.unet.dtype
        return found

    @property
    def factor(self) -> int:
        """Pixels a latent, along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def load(model: str, *, device: str = "cpu", dtype: str = "float32") -> Host:
    """A host from a known name, a diffusers folder or a hub id. No safety checker is loaded."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from safetensors import SafetensorError
    from transformers import CLIPTextModel, CLIPTokenizer

    from dumo_bench.hosts import models, samplers

    place = str(models.folder(model))  # on this machine, or said with what to type: the hub is never asked
    kind, exact = ({"torch_dtype": getattr(torch, name)} for name in (dtype, samplers.vae_dtype(dtype)))
    try:
        parts = (
            CLIPTokenizer.from_pretrained(place, subfolder="tokenizer", **hub.CLOSED),
            CLIPTextModel.from_pretrained(place, subfolder="text_encoder", **hub.CLOSED, dtype=kind["torch_dtype"]),
            UNet2DConditionModel.from_pretrained(place, subfolder="unet", **hub.LOCAL, **kind),
            AutoencoderKL.from_pretrained(place, subfolder="vae", **hub.LOCAL, **exact),
        )
        schedule = DDIMScheduler.load_config(place, subfolder="scheduler", **hub.LOCAL)
    except SafetensorError as error:
        raise UserError(f"model {model!r} cannot be loaded: broken weights: {error}") from error
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model {model!r} cannot be loaded: {reason} (a name of `list models`, a folder, a hub id)"
        ) from error
    text, unet, vae = (part.to(device).eval().requires_grad_(False) for part in parts[1:])
    world = Path(place) / "world.json"
    known = json.loads(world.read_text(encoding="utf-8")) if world.exists() else {}
    return Host(parts[0], text, unet, vae, schedule, model, models.content_hash(model), known)


def tokens(host: Host, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (n, 77); longer texts are cut."""
    out = host.tokenizer(
        list(texts),
        padding="max_length",
        truncation=True,
        max_length=host.tokenizer.model_max_length,
        return_tensors="pt",
    )
    return out.input_ids.to(host.device), out.attention_mask.to(host.device)


@torch.no_grad()
def encode(host: Host, texts: Sequence[str]) -> Tensor:
    """Hidden states (n, 77, d) of the text encoder, as the U-Net takes them."""
    out: Tensor = host.text_encoder(tokens(host, texts)[0]).last_hidden_state
    return out


def conditions(host: Host, texts: Sequence[str], guidance: Sequence[float], negative: str = "") -> Conditions:
    """The conditions of a batch. Encoded here, so inside an edit of the text encoder the edited one is used."""
    uncond = encode(host, [negative]).expand(len(texts), -1, -1)
    scale = torch.tensor(guidance, device=host.device, dtype=host.dtype)
    return Conditions(tuple(texts), tokens(host, texts)[0], encode(host, texts), uncond, scale)


def latents(host: Host, draw: Draw, height: int, width: int, noise: str = "cpu") -> Tensor:
    """Unit-normal latents (1, c, h, w) that depend on the draw alone, not on batch, shard or engine."""
    if noise == "cuda" and not torch.cuda.is_available():
        raise UserError("noise='cuda' asks for a CUDA generator and there is no GPU; noise='cpu' gives other pictures")
    g = torch.Generator(noise).manual_seed(draw.seed)
    shape = (draw.of, host.unet.config.in_channels, height // host.factor, width // host.factor)
    every = torch.randn(shape, generator=g, device=noise)
    return every[draw.index : draw.index + 1].to(host.device, host.dtype)


@torch.no_grad()
def decode(host: Host, z: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (n, h, w, 3) uint8 of scaled latents (n, c, h, w), and which are finite (n,) bool; others are black.

    All parts are equally large, since the size of a part moves pixels.
    """
    size = max(k for k in range(1, CHUNK + 1) if len(z) % k == 0)
    parts = torch.split(z.to(host.vae.dtype) / host.vae.config.scaling_factor, size)
    x = torch.cat([host.vae.decode(part).sample for part in parts]).float()
    pixels = ((x / 2 + 0.5).clamp(0, 1).nan_to_num(0) * 255).round().byte()
    return pixels.permute(0, 2, 3, 1).cpu(), x.isfinite().flatten(1).all(1).cpu()


def guided(both: Tensor, guidance: Tensor) -> Tensor:
    """Classifier-free guidance of a stacked (uncond, cond) estimate (2B, c, h, w) by a scale a row (B,)."""
    free, bound = both.chunk(2)
    return free + guidance[:, None, None, None] * (bound - free)


def stock_guide(host: Host, given: Conditions) -> Denoiser:
    """The plain U-Net with classifier-free guidance, both halves in one batch."""
    context = torch.cat([given.uncond, given.cond])

    def denoise(z: Tensor, t: Tensor) -> Tensor:
        both: Tensor = host.unet(torch.cat([z, z]), t, encoder_hidden_states=context).sample
        return guided(both, given.guidance)

    return denoise


def key_value_names(unet: nn.Module) -> list[str]:
    """Names of the cross-attention key and value matrices, in the module's order; 32 on SD 1.x."""
    return [n for n, _ in unet.named_parameters() if n.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))]


@contextmanager
def edited(host: Host, edit: Edit) -> Iterator[None]:
    """Weights named `unet.*` and `text.*` in place of the host's own; put back bit for bit on exit."""
    fits(host, edit)
    parts = {"unet": dict(host.unet.named_parameters()), "text": dict(host.text_encoder.named_parameters())}
    kept: list[tuple[Tensor, Tensor]] = []
    try:
        for full, tensor in edit.tensors.items():
            part, _, name = full.partition(".")
            if part not in parts or name not in parts[part]:
                raise UserError(f"the edit names {full!r}, which {host.model} does not have: it is for another model")
            own = parts[part][name].data
            if own.shape != tensor.shape:
                raise UserError(f"{full}: the edit has {tuple(tensor.shape)}, {host.model} has {tuple(own.shape)}")
            kept.append((own, own.clone()))
            own.copy_(tensor)
        yield
    finally:
        for own, was in kept:
            own.copy_(was)


def fits(host: Host, edit: Edit) -> None:
    """Refuse an edit made for another model."""
    made_for = edit.header.get("model_hash")
    if made_for is not None and made_for != host.hash:
        raise UserError(
            f"the edit was made for a model with hash {made_for[:12]}, {host.model} has {host.hash[:12]}: fit it again"
        )
