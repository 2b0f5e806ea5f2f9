"""The host: a model taken apart, and the small operations every method needs on it.

What differs from one kind of model to another stands in `kinds` and in the module of the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.errors import UserError
from dumo_bench.hosts import kinds, plans
from dumo_bench.hosts.kinds import Kind
from dumo_bench.hosts.parts import Folder, Reads, Tower
from dumo_bench.hosts.plans import Plans
from dumo_bench.storage import hub
from dumo_bench.types import Conditions, Denoiser, Draw, Edit

CHUNK = 16  # pictures decoded at once, at most


@dataclass(frozen=True, eq=False)
class Host:
    """A loaded model. `hash` is of its weights.

    unet: the network that is edited, which on some kinds is a transformer; whatever it is, it answers the call
    `unet(z, t, encoder_hidden_states=context).sample`. further: text towers beside the first. known: contexts of texts
    that were read, where none is to be read twice. apart: what new adapters are to keep small, in a sequence of them.
    What its folder says of it: `world`, of its own vocabulary; `plans`, of how it is to be edited (emoji-sd has both).
    """

    tokenizer: Any
    text_encoder: nn.Module
    unet: Any
    vae: Any
    schedule: Mapping[str, Any]
    model: str
    hash: str
    world: Mapping[str, Any]
    plans: Plans = field(default_factory=dict)
    kind: Kind = kinds.SD
    further: tuple[Tower, ...] = ()
    known: dict[tuple[int, ...], Tensor] | None = None
    apart: Callable[[Any], Tensor] | None = None

    @property
    def device(self) -> torch.device:
        found: torch.device = next(self.unet.parameters()).device
        return found

    @property
    def dtype(self) -> torch.dtype:
        found: torch.dtype = next(self.unet.parameters()).dtype  # diffusers' own goes through all modules: 2 ms
        return found

    @property
    def factor(self) -> int:
        """Pixels a latent, along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def channels(self) -> int:
        """Of the latents."""
        return int(self.vae.config.latent_channels)

    @property
    def side(self) -> int:
        """Latents a side of the pictures that the model was made for."""
        return int(self.code.side(self.unet))

    @property
    def towers(self) -> tuple[Tower, ...]:
        """Every text tower."""
        return (Tower(self.tokenizer, self.text_encoder, self.tokenizer.model_max_length), *self.further)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What an edit can change, by the name that it gives it."""
        texts = {f"text_{i}" if i > 1 else "text": tower.encoder for i, tower in enumerate(self.towers, 1)}
        return {self.kind.network: self.unet, **texts}

    @property
    def code(self) -> Any:
        """The module of the kind."""
        return import_module(self.kind.code)

    def estimate(self, z: Tensor, t: Tensor, context: Tensor) -> Tensor:
        """What the network tells of latents z (n, c, h, w) at timesteps t, without guidance: noise or velocity."""
        out: Tensor = self.unet(z, t, encoder_hidden_states=context).sample
        return out


def load(model: str, *, device: str = "cpu", dtype: str = "float32") -> Host:
    """A host from a known name, a diffusers folder or a hub id. No safety checker is loaded."""
    from diffusers import AutoencoderKL, DDIMScheduler
    from diffusers.utils.logging import CRITICAL, set_verbosity
    from safetensors import SafetensorError

    from dumo_bench.hosts import models, samplers

    hub.quiet_loading()
    set_verbosity(CRITICAL)  # it prints each error that it raises as well; ours is one line
    place = Path(models.folder(model))  # on this machine, or said with what to type: the hub is never asked
    kind, folder = models.kind(place) or kinds.SD, Folder(place, getattr(torch, dtype))
    try:
        unet, towers = import_module(kind.code).load(folder)
        vae = folder.network(AutoencoderKL, "vae", getattr(torch, samplers.vae_dtype(dtype)))
        schedule = DDIMScheduler.load_config(str(models.part(place, "scheduler")), **hub.LOCAL)
    except SafetensorError as error:
        raise UserError(f"model {model!r} cannot be loaded: broken weights: {error}") from error
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(
            f"model {model!r} cannot be loaded: {reason} (a name of `list models`, a folder, a hub id)"
        ) from error
    for part in (unet, vae, *(tower.encoder for tower in towers)):
        part.to(device).eval().requires_grad_(False)
    first, *further = towers
    own = (first.tokenizer, first.encoder, unet, vae, schedule, model, models.content_hash(model))
    return Host(*own, models.world(place), plans.read(place), kind, tuple(further))


def tokens(host: Host, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask of the first text tower, both (n, 77); longer texts are cut."""
    return host.towers[0].tokens(texts, host.device)


@torch.no_grad()
def encode(host: Host, texts: Sequence[str]) -> Tensor:
    """The contexts (n, rows, d) of texts: all that the network is told of them.

    A state for each of the tokens; of kinds that are told a pooled state as well, that is the last row, filled up with
    zeros.
    """
    if host.known is None:
        found: Tensor = host.code.encode(host, texts)
        return found
    every = torch.cat([tower.tokens(texts, host.device)[0] for tower in host.towers], 1).tolist()
    read = dict(zip(map(tuple, every), texts, strict=True))
    if new := [ids for ids in read if ids not in host.known]:
        host.known.update(zip(new, host.code.encode(host, [read[ids] for ids in new]), strict=True))
    return torch.stack([host.known[tuple(ids)] for ids in every])


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
    shape = (draw.of, host.channels, height // host.factor, width // host.factor)
    every = torch.randn(shape, generator=g, device=noise)
    return every[draw.index : draw.index + 1].to(host.device, host.dtype)


@torch.no_grad()
def decode(host: Host, z: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (n, h, w, 3) uint8 of scaled latents (n, c, h, w), and which are finite (n,) bool; others are black.

    All parts are equally large, since the size of a part moves pixels.
    """
    size = max(k for k in range(1, CHUNK + 1) if len(z) % k == 0)
    unscaled = z.to(host.vae.dtype) / host.vae.config.scaling_factor
    if shift := host.vae.config.shift_factor:
        unscaled = unscaled + shift
    parts = torch.split(unscaled, size)
    x = torch.cat([host.vae.decode(part).sample for part in parts]).float()
    pixels = ((x / 2 + 0.5).clamp(0, 1).nan_to_num(0) * 255).round().byte()
    return pixels.permute(0, 2, 3, 1).cpu(), x.isfinite().flatten(1).all(1).cpu()


@torch.no_grad()
def encoded(host: Host, pixels: Tensor) -> Tensor:
    """Scaled latents (n, c, h, w) of pictures (n, h, w, 3) uint8: the middle of what the autoencoder finds likely."""
    x = pixels.to(host.vae.device).permute(0, 3, 1, 2).to(host.vae.dtype) / 127.5 - 1
    z: Tensor = host.vae.encode(x).latent_dist.mean
    if shift := host.vae.config.shift_factor:
        z = z - shift
    scaled: Tensor = z * host.vae.config.scaling_factor
    return scaled.to(host.dtype)


def guided(both: Tensor, guidance: Tensor) -> Tensor:
    """Classifier-free guidance of a stacked (uncond, cond) estimate (2B, c, h, w) by a scale a row (B,)."""
    free, bound = both.chunk(2)
    return free + guidance[:, None, None, None] * (bound - free)


def stock_guide(host: Host, given: Conditions) -> Denoiser:
    """The plain network with classifier-free guidance, both halves in one batch.

    A network that is told how far it is to be guided is asked once.
    """
    context = torch.cat([given.uncond, given.cond])

    def denoise(z: Tensor, t: Tensor) -> Tensor:
        return guided(host.estimate(torch.cat([z, z]), t, context), given.guidance)

    def told(z: Tensor, t: Tensor) -> Tensor:
        out: Tensor = host.unet(z, t, encoder_hidden_states=given.cond, guidance=given.guidance).sample
        return out

    return told if host.unet.config.get("guidance_embeds") else denoise


def reads(host: Host) -> tuple[Reads, ...]:
    """Who in the network reads what of a context: one entry for matrices that read the same."""
    found: tuple[Reads, ...] = host.code.reads(host)
    return found


def key_value_names(unet: nn.Module) -> list[str]:
    """Names of the cross-attention key and value matrices, in the module's order; 32 on SD 1.x."""
    return [n for n, _ in unet.named_parameters() if n.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))]


@contextmanager
def edited(host: Host, edit: Edit) -> Iterator[None]:
    """Weights named as the host's `parts` in place of its own (`unet.*`, `text.*`); put back bit for bit on exit."""
    fits(host, edit)
    parts = {part: dict(net.named_parameters()) for part, net in host.parts.items()}
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


def interpolated(host: Host, learnt: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """The tensors of an edit, that share of the way from the host's own to what was learnt; at 1 what was learnt."""
    own = {f"{part}.{name}": t for part, net in host.parts.items() for name, t in net.named_parameters()}
    return {name: torch.lerp(own[name].detach(), t.to(own[name]), strength) for name, t in learnt.items()}


def fits(host: Host, edit: Edit) -> None:
    """Refuse an edit made for another model."""
    made_for = edit.header.get("model_hash")
    if made_for is not None and made_for != host.hash:
        raise UserError(
            f"the edit was made for a model with hash {made_for[:12]}, {host.model} has {host.hash[:12]}: fit it again"
        )
