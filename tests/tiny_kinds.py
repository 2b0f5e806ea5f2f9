"""Random models of the other kinds, small enough for a test, no download: FLUX with a T5 of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import tiny
import torch

from dumo_bench.hosts import sd
from dumo_bench.hosts.sd import Host

WIDTH, POOLED = 40, 32  # of the states, and of the pooled state


def letters(folder: Path) -> Any:
    """A tokenizer of characters that ends texts and fills them up as T5's does: no start, end 1, padding 0."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *(chr(i) for i in range(97, 123))]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    made.post_processor = processors.TemplateProcessing("$A </s>", special_tokens=[("</s>", 1)])
    special = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    found = PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=512, **special)
    found.save_pretrained(folder)
    return found


def vae(shift: float | None = 0.1) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=0.36,
        shift_factor=shift,
    )


def clip(words: Any, width: int = POOLED, kind: str = "CLIPTextModel") -> Any:
    import transformers

    special = {name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = transformers.CLIPTextConfig(
        vocab_size=len(words), hidden_size=width, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        projection_dim=width, **special,
    )  # fmt: skip
    return getattr(transformers, kind)(config)


def t5(words: Any) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=len(words), d_model=WIDTH, d_kv=8, d_ff=32, num_layers=1, num_heads=2, dropout_rate=0.0)
    )


def flux(folder: Path, *, told: bool = False) -> Path:
    """FLUX: two double and two single blocks. `told`: how far it is to be guided, and larger pictures are shifted
    further, as FLUX.1-dev."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(0)
    words, others = tiny.tokenizer(folder / "tokenizer"), letters(folder / "tokenizer_2")
    net = FluxTransformer2DModel(
        in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=WIDTH, pooled_projection_dim=POOLED, guidance_embeds=told, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    shift = {"shift": 3.0, "use_dynamic_shifting": True} if told else {"shift": 1.5}
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**shift),
        vae=vae(), text_encoder=clip(words), tokenizer=words, text_encoder_2=t5(others), tokenizer_2=others,
        transformer=net,
    ).save_pretrained(folder)  # fmt: skip
    return small(folder)


def sdxl(folder: Path) -> Path:
    """SDXL: two levels with cross-attention."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    torch.manual_seed(0)
    words, others = tiny.tokenizer(folder / "tokenizer"), tiny.tokenizer(folder / "tokenizer_2")
    others.pad_token = "!"  # as SDXL's second
    net = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH + POOLED, attention_head_dim=(2, 4), use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=WIDTH + 6 * 8,
    )  # fmt: skip
    StableDiffusionXLPipeline(
        vae=vae(None), text_encoder=clip(words), tokenizer=words,
        text_encoder_2=clip(others, WIDTH, "CLIPTextModelWithProjection"), tokenizer_2=others, unet=net,
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def sd3(folder: Path) -> Path:
    """SD3: two blocks, the last of which leaves its text as it is."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(0)
    words, others = tiny.tokenizer(folder / "tokenizer"), letters(folder / "tokenizer_3")
    net = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=WIDTH, caption_projection_dim=16, pooled_projection_dim=32,
        pos_embed_max_size=16,
    )  # fmt: skip
    kind = "CLIPTextModelWithProjection"
    StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), vae=vae(), transformer=net,
        text_encoder=clip(words, 16, kind), tokenizer=words, text_encoder_2=clip(words, 16, kind), tokenizer_2=words,
        text_encoder_3=t5(others), tokenizer_3=others,
    ).save_pretrained(folder)  # fmt: skip
    return small(folder)


def small(folder: Path, length: int = 24) -> Path:
    """The folder with what its index says of ours: few tokens, small pictures."""
    import json

    path = folder / "model_index.json"
    index = json.loads(path.read_text())
    path.write_text(json.dumps({**index, "_max_sequence_length": length, "_sample_size": 8}))
    return folder


KIND = {"sdxl": "sdxl", "flux": "flux", "flux-dev": "flux", "sd3": "sd3"}
MAKE = {"sdxl": sdxl, "sd3": sd3, "flux": flux, "flux-dev": lambda folder: flux(folder, told=True)}


@cache
def folder(name: str) -> Path:
    """One saved model of a kind a test run."""
    import tempfile

    return MAKE[name](Path(tempfile.mkdtemp(prefix=f"dumo-bench-{name}-")) / name)


def host(name: str, dtype: str = "float64") -> Host:
    """A fresh host of that model."""
    return sd.load(str(folder(name)), dtype=dtype)


def quick_host(name: str) -> Host:
    """The model with plans of its own, by which every method that trains does so in seconds."""
    return replace(host(name), plans=tiny.QUICK)
