"""LoRA as this project merges it and as peft and diffusers do, on a tiny model."""

from __future__ import annotations

import json
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import published
import tiny
import torch
from compared import Pair, pair
from safetensors.torch import save_file

from dumo_bench.methods.checkpoint import Checkpoint


def imported(path: Path) -> dict[str, torch.Tensor]:
    """The changed weights of the tiny model by the method `checkpoint`."""
    return dict(Checkpoint(str(path)).fit(tiny.host(), ("ghost",), seed=0).tensors)


def stirred(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Every tensor that trains moved by seeded noise, so that up is not zero and the norms of DoRA are their own."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (p for p in model.parameters() if p.requires_grad):
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=g))
    return model


def by_peft(network: torch.nn.Module, folder: Path) -> dict[str, torch.Tensor]:
    """The network's weights with a folder's adapter merged by peft itself."""
    from peft import PeftModel

    with warnings.catch_warnings(action="ignore"):
        made = PeftModel.from_pretrained(deepcopy(network), str(folder)).merge_and_unload()
    return dict(made.state_dict())


def _peft(root: Path, **config: Any) -> Pair:
    from peft import LoraConfig, get_peft_model

    network, layers = tiny.host().unet, ["attn2.to_k", "ff.net.2", "conv1", "proj_in"]
    with warnings.catch_warnings(action="ignore"):
        model = get_peft_model(deepcopy(network), LoraConfig(target_modules=layers, **config))
        stirred(model).save_pretrained(str(root))
    ours, theirs = imported(root), by_peft(network, root)
    names = [name.removeprefix("unet.") for name in ours]
    return pair(*(torch.cat([of[start + name].flatten() for name in names]) for of, start in
                  ((ours, "unet."), (theirs, ""))))  # fmt: skip


def peft_lora(root: Path) -> Pair:
    patterns = {"rank_pattern": {"conv1": 5}, "alpha_pattern": {"mid_block.*": 3}}
    return _peft(root, r=4, lora_alpha=16, use_rslora=True, bias="all", modules_to_save=["conv_out"], **patterns)


def peft_dora(root: Path) -> Pair:
    return _peft(root, r=4, lora_alpha=16, use_dora=True)


def _diffusers(root: Path, style: str, notes: dict[str, str] | None = None) -> Pair:
    """What diffusers' pipeline makes of one file, by load_lora_weights and fuse_lora."""
    from diffusers import StableDiffusionPipeline

    root.mkdir(parents=True, exist_ok=True)
    save_file(published.lora(tiny.host().unet, style, alpha=3.0), root / "lora.safetensors", notes)
    pipeline = StableDiffusionPipeline.from_pretrained(tiny.folder(), safety_checker=None, local_files_only=True)
    pipeline.load_lora_weights(str(root), weight_name="lora.safetensors")
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    theirs, ours = pipeline.unet.state_dict(), imported(root / "lora.safetensors")
    both = [(tensor, theirs[name.removeprefix("unet.")]) for name, tensor in ours.items()]
    return pair(*(torch.cat([of[i].flatten() for of in both]) for i in (0, 1)))


def kohya_lora(root: Path) -> Pair:
    return _diffusers(root, "kohya")


def diffusers_lora(root: Path) -> Pair:
    said = {"r": 2, "lora_alpha": 5, "use_rslora": True, "target_modules": ["attn2.to_k", "ff.net.2"]}
    told = {f"unet.{name}": value for name, value in {**said, "alpha_pattern": {"mid_block.*": 3}}.items()}
    return _diffusers(root, "diffusers-peft", {"lora_adapter_metadata": json.dumps(told)})
