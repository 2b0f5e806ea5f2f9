"""Artefacts in the layouts that others publish, written from a tiny model's tensors by independent code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from dumo_bench.methods.epr import EPR


def noise(like: Tensor, seed: int) -> Tensor:
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(seed)).to(like.dtype)


def moved(unet, amount: float = 0.3, only: str = "") -> dict[str, Tensor]:
    """The U-Net's state dict, its tensors whose names contain `only` shifted by seeded noise."""
    state = {name: tensor.clone() for name, tensor in unet.state_dict().items()}
    return {
        name: tensor + amount * tensor.abs().mean() * noise(tensor, i) if only in name else tensor
        for i, (name, tensor) in enumerate(state.items())
    }


def keys_and_values(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n: t for n, t in state.items() if n.endswith(("attn2.to_k.weight", "attn2.to_v.weight"))}


def nested(state: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """{"unet.<module>": {"weight": ..., "bias": ...}}."""
    out: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        module, _, own = name.rpartition(".")
        out.setdefault(f"unet.{module}", {})[own] = tensor
    return out


def compvis(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A U-Net of four levels and two layers a block, under the names of the CompVis code."""
    out = {}
    for name, tensor in state.items():
        out[f"model.diffusion_model.{_compvis(name)}"] = tensor
    return out


def _compvis(name: str) -> str:
    outside = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    module, _, kind = name.rpartition(".")
    if module in outside:
        return f"{outside[module]}.{kind}"
    parts = name.split(".")
    if parts[0] == "mid_block":
        place = {("resnets", "0"): 0, ("attentions", "0"): 1, ("resnets", "1"): 2}[parts[1], parts[2]]
        return f"middle_block.{place}.{_inner(parts[1], parts[3:])}"
    block, layer = int(parts[1]), int(parts[3])
    if parts[0] == "down_blocks":
        first = 1 + 3 * block
        if parts[2] == "downsamplers":
            return f"input_blocks.{first + 2}.0.op.{kind}"
        return f"input_blocks.{first + layer}.{int(parts[2] == 'attentions')}.{_inner(parts[2], parts[4:])}"
    if parts[2] == "upsamplers":  # stands after the attention where the block has one
        return f"output_blocks.{3 * block + 2}.{1 if block == 0 else 2}.conv.{kind}"
    return f"output_blocks.{3 * block + layer}.{int(parts[2] == 'attentions')}.{_inner(parts[2], parts[4:])}"


def _inner(kind: str, rest: list[str]) -> str:
    names = {
        "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1",
        "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
    }  # fmt: skip
    return ".".join([names[rest[0]], *rest[1:]] if kind == "resnets" else rest)


def receler(folder: Path, unet, rank: int = 4) -> Path:
    """eraser_weights.pt and eraser_config.json."""
    weights = {}
    for i, (name, block) in enumerate(n for n in unet.named_modules() if n[0].endswith("transformer_blocks.0")):
        width = block.attn2.to_out[0].out_features
        sizes = {"down.weight": (rank, width), "down.bias": (rank,), "up.weight": (width, rank), "up.bias": (width,)}
        place = ".".join(name.split(".")[: 3 if name.startswith("mid") else 4])
        weights[place] = {k: 0.3 * noise(torch.empty(s), 10 * i + j) for j, (k, s) in enumerate(sizes.items())}
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(weights, folder / "eraser_weights.pt")
    (folder / "eraser_config.json").write_text(json.dumps({"eraser_type": "adapter", "eraser_rank": rank}))
    return folder


def dumo(folder: Path, unet, seed: int = 0, *, table: bool = True, end: str = ".safetensors") -> Path:
    """A DuMo folder, its 1x1 convolutions away from zero."""
    state = EPR(unet).state_dict()
    state = {n: t + 0.2 * noise(t, seed + i) if n.startswith("dumo_") else t for i, (n, t) in enumerate(state.items())}
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f"diffusion_pytorch_model{end}"
    save_file(state, weights) if end == ".safetensors" else torch.save(state, weights)
    said = {n: unet.config[n] for n in ("block_out_channels", "cross_attention_dim", "layers_per_block")}
    dead = {"conditioning_channels": 3, "conditioning_embedding_out_channels": [16, 32]}
    (folder / "config.json").write_text(json.dumps({"_class_name": "DuMo", **said, **dead}))
    if table:
        rng = np.random.default_rng(seed)
        np.save(folder / "time_scale.npy", rng.uniform(0.5, 1.5, (20, 13)).astype(np.float32))
    return folder


def lora(unet, style: str, rank: int = 2, alpha: float = 1.0) -> dict[str, Tensor]:
    """A LoRA of the cross-attention keys and of one feed-forward layer, in the keys of one program."""
    out = {}
    layers = [n for n, _ in unet.named_modules() if n.endswith(("attn2.to_k", "0.ff.net.2"))]
    own = dict(unet.named_parameters())
    for i, layer in enumerate(layers):
        wide, deep = own[f"{layer}.weight"].shape
        down, up = 0.2 * noise(torch.empty(rank, deep), 2 * i), 0.2 * noise(torch.empty(wide, rank), 2 * i + 1)
        flat = layer.replace(".", "_")
        names = {
            "kohya": (
                f"lora_unet_{flat}.lora_down.weight",
                f"lora_unet_{flat}.lora_up.weight",
                f"lora_unet_{flat}.alpha",
            ),
            "peft": (f"base_model.model.{layer}.lora_A.weight", f"base_model.model.{layer}.lora_B.weight", ""),
            "diffusers": (f"unet.{layer}.lora.down.weight", f"unet.{layer}.lora.up.weight", f"unet.{layer}.alpha"),
            "diffusers-peft": (f"unet.{layer}.lora_A.weight", f"unet.{layer}.lora_B.weight", ""),
        }[style]
        out |= {names[0]: down, names[1]: up} | ({names[2]: torch.tensor(alpha)} if names[2] else {})
    return out


def spm(path: Path, unet, words: str = "ghost", rank: int = 1, alpha: float = 1.0) -> Path:
    """A membrane of all layers inside the transformers, with its notes."""
    held = {}
    for i, (layer, module) in enumerate(n for n in unet.named_modules() if hasattr(n[1], "weight")):
        if ".attentions." not in layer or module.weight.dim() < 2:
            continue
        wide, *deep = module.weight.shape
        flat = f"lora_unet_{layer.replace('.', '_')}"
        held[f"{flat}.lora_down.weight"] = 0.2 * noise(torch.empty(rank, *deep), 2 * i)
        held[f"{flat}.lora_up.weight"] = 0.2 * noise(torch.empty(wide, rank, *[1] * (len(deep) - 1)), 2 * i + 1)
        held[f"{flat}.alpha"] = torch.tensor(alpha)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(held, path, metadata={"prompts": words, "rank": str(rank), "alpha": str(alpha)})
    return path


def peft_folder(folder: Path, held: Mapping[str, Tensor], **said: object) -> Path:
    """adapter_model.safetensors and adapter_config.json, as peft writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in held.items()}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "r": 2, "lora_alpha": 2, **said}))
    return folder


def beside(text_encoder, vae) -> dict[str, Tensor]:
    """What lies beside the U-Net in a whole CompVis file: text encoder, a part of the VAE, and the schedule."""
    text = {name.removeprefix("text_model."): tensor for name, tensor in text_encoder.state_dict().items()}
    ends = ("conv_in.weight", "conv_in.bias", "conv_out.weight", "conv_out.bias")
    named = {f"{side}.{end}" for side in ("encoder", "decoder") for end in ends}
    return {
        **{f"cond_stage_model.transformer.text_model.{name}": tensor for name, tensor in text.items()},
        **{f"first_stage_model.{name}": tensor for name, tensor in vae.state_dict().items() if name in named},
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77),
        "sqrt_alphas_cumprod": torch.ones(1000),
    }


def lora_merged(unet, rank: int = 2, alpha: float | None = None) -> dict[str, Tensor]:
    """The weights of that LoRA added to the U-Net's own, by the definition; alpha None: equal to the rank."""
    state, held = dict(unet.state_dict()), lora(unet, "diffusers-peft", rank)
    scale = 1.0 if alpha is None else alpha / rank
    for name, down in held.items():
        if ".lora_A." in name:
            weight = name.removeprefix("unet.").replace(".lora_A.", ".")
            state[weight] = state[weight] + scale * held[name.replace("lora_A", "lora_B")] @ down
    return state


class Hostile:
    """An object whose pickle, if it were run, would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.write_text, (self.path, "run")
