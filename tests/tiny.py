"""A random Stable Diffusion of SD 1.x's topology, small enough for a test: 4 levels, 12 skips + mid, no download."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from dumo_bench.hosts.plans import Plans
from dumo_bench.hosts.sd import Host
from dumo_bench.types import Draw, Job, Recipe, Sampling

WORDS = ("a", "photo", "of", "dog", "cat", "ghost", "alien", "in", "noto", "ink", "style", "picture", "drawing")


def tokenizer(folder: Path):
    """Every word of WORDS is one token; others are spelt in bytes."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = [*letters, *(c + "</w>" for c in letters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            if pair not in merges:
                merges.append(pair)
                vocab.append("".join(pair))
            pieces[:2] = ["".join(pair)]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(dict.fromkeys(vocab))}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def save(folder: Path, seed: int = 0, *, second: bool = False) -> Path:
    """The model as an ordinary diffusers folder; with what sets SD 2.1 apart from SD 1.x if it is a `second`."""
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    tokens = tokenizer(folder / "tokenizer")
    if second:
        tokens.pad_token = "!"  # an ordinary token, with id 0
    special = {k: getattr(tokens, k) for k in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        hidden_act="gelu" if second else "quick_gelu",
        **special,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32, 32, 32),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=32,
        attention_head_dim=(2, 4, 4, 4) if second else 2,
        use_linear_projection=second,
        norm_num_groups=8,
    )
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        sample_size=64,
    )
    schedule = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
        prediction_type="v_prediction" if second else "epsilon",
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=CLIPTextModel(text),
        tokenizer=tokens,
        unet=unet,
        scheduler=schedule,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)
    return folder


@cache
def folder() -> Path:
    """One saved model a test run."""
    import tempfile

    return save(Path(tempfile.mkdtemp(prefix="dumo-bench-tiny-")) / "tiny")


def host(dtype: str = "float32") -> Host:
    """A fresh host of that model."""
    from dumo_bench.hosts import sd

    return sd.load(str(folder()), dtype=dtype)


@cache
def weights(model: str = "") -> Path:
    """A file of a model's keys and values that read texts, changed, as published ones are."""
    from published import moved
    from safetensors.torch import save_file

    from dumo_bench.hosts import sd

    model = model or str(folder())
    path = folder().parent / f"erased-{Path(model).name}.safetensors"
    host = sd.load(model)
    names = host.code.SELECTIONS["attn-kv" if host.kind.flow else "kv"](host.unet)
    save_file({name: tensor for name, tensor in moved(host.unet).items() if name in names}, path)
    return path


def given(name: str, model: str = "") -> dict[str, Any]:
    """The settings without which a method is nothing in a few steps: a file of the model's, no warm-up."""
    return {"checkpoint": {"path": str(weights(model))}, "sld": {"warmup": 0}, "relearn": {"steps": 2}}.get(name, {})


def method(name: str, model: str = "", **settings):
    """A method by name."""
    from dumo_bench.plugins import loading

    return loading.make("methods", name, {**given(name, model), **settings})


#: settings with which an attack ends soon
ATTACKS: dict[str, dict[str, Any]] = {
    "ringabell": {"length": 4, "population": 12, "generations": 3},
    "unlearndiff": {"tokens": 2, "timesteps": 2, "iterations": 2, "rows": 2, "picture_steps": 2},
    "p4d": {"tokens": 3, "steps": 4, "every": 2, "rows": 2, "picture_steps": 2},
    "cce": {"pictures": 3, "steps": 2, "rows": 2, "parts": 2, "picture_steps": 2, "initial": "ghost"},
    "noise": {"steps": 4},
    "completion": {"steps": 4, "begun": 2},
    "inversion": {"steps": 4, "iterations": 1},
    "inpainting": {"steps": 4},
}


def attack(name: str, **settings):
    """An attack by name."""
    from dumo_bench.plugins import loading

    return loading.make("attacks", name, {**ATTACKS[name], **settings})


#: plans of two steps, of rows that are sampled in three
QUICK: Plans = {
    "advunlearn": {
        "steps": 2, "lr": 1e-2, "run": {"steps": 3}, "warm_up": 1, "inner": 2, "inner_lr": 1e-2,
        "harvest": 2, "refresh": 2, "rows": 2, "retain": 1.0, "retain_prompts": 2, "retain_rows": 2,
    },
    "ca": {"steps": 2, "lr": 1e-2, "run": {"steps": 3}, "rows": 2, "pictures": 2, "retain": 1.0, "retain_prompts": 2},
    "dumo": {
        "steps": 2, "lr": 1e-2, "table_steps": 2, "table_lr": 0.1, "harvest": 1, "refresh": 2, "rows": 2,
        "retain_prompts": 2, "retain_rows": 2, "checkpointing": False,
    },
    "eap": {
        "steps": 2, "lr": 1e-2, "lr_outside": 1e-2, "run": {"steps": 3}, "harvest": 2, "refresh": 2, "rows": 2,
        "nearest": 4, "centres": 2, "retain_prompts": 2, "retain_rows": 2,
    },
    "eraseanything": {"steps": 2, "lr": 1e-2, "rows": 2, "pictures": 2, "run": {"steps": 3, "side": 1}},
    "esd": {
        "steps": 2, "lr": 1e-2, "lr_outside": 1e-2, "run": {"steps": 3, "sampler": "ddim", "side": 1, "align": "bin"},
        "harvest": 2, "refresh": 2, "rows": 2, "retain": 3.0, "retain_prompts": 2, "retain_rows": 2, "ema": 0.97,
    },
    "mace": {"lora_steps": 2, "lr": 1e-2, "run": {"steps": 3}, "pictures": 2, "captions": 4},
    "modular": {
        "steps": 2, "lr": 1e-2, "run": {"steps": 3}, "tune_steps": 2, "pictures": 2, "harvest": 2, "refresh": 2,
        "rows": 2, "retain": 1.0, "retain_prompts": 2, "retain_rows": 2,
    },
    "receler": {
        "steps": 2, "inner": 2, "lr": 1e-2, "rank": 4, "run": {"steps": 3}, "cells": 2, "plain": 0.5,
        "harvest": 2, "refresh": 2, "rows": 2, "retain": 1.0, "retain_prompts": 2, "retain_rows": 2,
    },
    "relearn": {"lr": 1e-2, "lr_lora": 1e-2, "run": {"steps": 3}, "rows": 2, "pictures": 2},
    "sce": {
        "steps": 2, "lr": 1e-2, "lr_outside": 1e-2, "run": {"steps": 3}, "kept": 2.0,
        "harvest": 2, "refresh": 2, "rows": 2, "retain": 1.0, "retain_prompts": 2, "retain_rows": 2,
    },
    "sdd": {
        "steps": 2, "lr": 1e-2, "run": {"steps": 3}, "ema": 0.5,
        "harvest": 2, "refresh": 1, "rows": 2, "retain": 1.0, "retain_prompts": 2, "retain_rows": 2,
    },
    "spm": {
        "steps": 2, "lr": 1e-2, "run": {"steps": 3}, "anchors": 1, "harvest": 2, "refresh": 2, "rows": 2,
        "retain": 1.0, "retain_prompts": 2, "retain_rows": 2,
    },
}  # fmt: skip
#: cut from emoji-sd's own
SHORT: Plans = {
    "advunlearn": {
        "steps": 2,
        "warm_up": 1,
        "inner": 2,
        "harvest": 2,
        "rows": 2,
        "retain_prompts": 2,
        "retain_rows": 2,
    },
    "ca": {"steps": 2, "pictures": 2, "retain_prompts": 2, "retain_rows": 2},
    "dumo": {"steps": 1, "table_steps": 1, "harvest": 1, "rows": 1, "retain_prompts": 1, "retain_rows": 1},
    "eap": {"steps": 2, "harvest": 2, "rows": 2, "nearest": 3, "retain_prompts": 3, "retain_rows": 2},
    "esd": {"steps": 2, "harvest": 2, "rows": 2, "retain_prompts": 2, "retain_rows": 2},
    "mace": {"lora_steps": 2, "pictures": 2, "captions": 4},
    "modular": {"steps": 2, "harvest": 2, "rows": 2, "retain_prompts": 2, "retain_rows": 2},
    "receler": {"steps": 2, "harvest": 2, "rows": 2, "retain_prompts": 2, "retain_rows": 2},
    "relearn": {"lr": 1e-2, "lr_lora": 1e-2, "run": {"steps": 2}, "rows": 2, "pictures": 2},
    "sce": {"steps": 2, "harvest": 2, "rows": 2, "retain_prompts": 2, "retain_rows": 2},
    "sdd": {"steps": 2, "harvest": 2, "rows": 2, "retain_prompts": 2, "retain_rows": 2},
    "spm": {"steps": 2, "harvest": 2, "rows": 2, "retain_prompts": 2, "retain_rows": 2},
}


def quick_host(dtype: str = "float64") -> Host:
    """The model with plans of its own, by which every method that trains does so in seconds."""
    return replace(host(dtype), plans=QUICK)


def planned(host: Host, method: str, **own: Any) -> Host:
    """A host whose plan of a method says otherwise; `shared={...}` where several concepts are learnt together."""
    return replace(host, plans={**host.plans, method: {**host.plans.get(method, {}), **own}})


def quick_emoji() -> Host:
    """emoji-sd in float64, its own plans cut to a step or two."""
    from dumo_bench.hosts import sd

    found = sd.load("emoji-sd", dtype="float64")
    for method, own in SHORT.items():
        found = planned(found, method, **own)
    for method in ("advunlearn", "ca", "eap", "esd", "mace", "modular", "receler", "sce", "sdd", "spm"):
        found = planned(found, method, run={**found.plans[method]["run"], "steps": 2})
    return found


@cache
def sd14():
    """The U-Net of SD 1.4 without its weights."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=768,
            attention_head_dim=8,
        )


def job(
    text: str = "a dog", seed: int = 0, *, guidance: float = 3.0, steps: int = 4, recipe: Recipe | None = None
) -> Job:
    """A picture of 64 x 64 in a few DDIM steps."""
    contract = Sampling("tiny", "ddim", steps, guidance, 64, 64)
    return Job(recipe or Recipe("original", "1", {}, (), 0, "tiny"), text, Draw(seed), contract)
