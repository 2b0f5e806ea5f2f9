"""Stable Diffusion v1.4's networks with random weights, built where they are used; and what they cost."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import sd14
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from .bench import Bench, Precision
from .ours import WEIGHTS, Host, load_emoji, scheduler, tiny_clip, tiny_host

SCHEDULE = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "steps_offset": 1, "prediction_type": "epsilon",
}  # fmt: skip


def tokenizer() -> Any:
    """emoji-sd's, whose ids all are below those of CLIP's."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(WEIGHTS, subfolder="tokenizer")


@cache
def base(bench: Bench) -> Host:
    """The model in float32."""
    if bench.tiny:
        return tiny_host()
    from transformers import CLIPTextConfig, CLIPTextModel

    shape = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    with torch.device(bench.device):
        text = CLIPTextModel(CLIPTextConfig(**shape))
    parts = [part.eval().requires_grad_(False) for part in (text, sd14.unet(bench.device), vae(bench.device))]
    return Host(tokenizer(), *parts, SCHEDULE, "random weights of SD v1.4's shapes", "", {})


def vae(device: str) -> Any:
    """SD v1.4's, with the weights that its layers begin with."""
    from diffusers import AutoencoderKL

    with torch.device(device):
        return AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            sample_size=512,
        )


@cache
def host(bench: Bench, precision: Precision, *, last: bool = False) -> Host:
    """The model in a precision; `last`: with the channels of its convolutions last in memory."""
    plain = base(bench)
    if precision.dtype == torch.float32 and not last:
        return plain
    layout = torch.channels_last if last else torch.preserve_format

    def cast(part: nn.Module) -> nn.Module:
        return copy.deepcopy(part).to(dtype=precision.dtype, memory_format=layout)

    unet, vae, text = cast(plain.unet), cast(plain.vae), copy.deepcopy(plain.text_encoder).to(precision.dtype)
    return replace(plain, unet=unet, vae=vae, text_encoder=text)


@cache
def emoji(device: str, dtype: torch.dtype) -> Host:
    """The trained model inside the package."""
    return load_emoji(device, dtype)


def quiet() -> None:
    """No bar for every file that is loaded, no word on layers that might stay in float32."""
    import diffusers
    import transformers

    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()


def forget() -> None:
    """Leave the float32 model alone on the device."""
    host.cache_clear()


def gib(*parts: nn.Module) -> float:
    """GiB of weights."""
    return float(sum(p.numel() * p.element_size() for part in parts for p in part.parameters())) / 2**30


def pipeline(host: Host, steps: int) -> Any:
    """diffusers' own pipeline of the same networks and scheduler, without a safety checker."""
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline(
        host.vae, host.text_encoder, host.tokenizer, host.unet, scheduler(host, steps), None, None,
        requires_safety_checker=False,
    )  # fmt: skip
    pipe.set_progress_bar_config(disable=True)
    return pipe


@cache
def operations(bench: Bench) -> tuple[float, float]:
    """Floating-point operations of one guided step of one picture, and of its decoding; the text encoder's are left
    out, which are under a hundredth."""
    plain = base(bench)
    side = bench.size // plain.factor
    z = torch.randn(2, 4, side, side, device=bench.device)
    context = torch.randn(2, 77, plain.unet.config.cross_attention_dim, device=bench.device)
    with torch.no_grad():
        step = counted(lambda: plain.unet(z, torch.tensor(500, device=bench.device), encoder_hidden_states=context))
        return step, counted(lambda: plain.vae.decode(z[:1]))


def counted(way: Any) -> float:
    with FlopCounterMode(display=False) as counter:
        way()
    return float(counter.get_total_flops())


def clip(bench: Bench, folder: Path) -> Path:
    """A CLIP of ViT-L/14's size with random weights, saved."""
    if bench.tiny:
        return tiny_clip(folder)
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    words = tokenizer()
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}
    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, **ends}
    size = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    with torch.device(bench.device):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config={**size, "patch_size": 14}, projection_dim=768))
    for part in (model, words, CLIPImageProcessor()):
        part.save_pretrained(folder)
    return folder
