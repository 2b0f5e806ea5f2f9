"""Random judge and CLIP folders of the shipped classes, pictures, and samples: what tests of scorers are made of."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dumo_bench.types import Case, Draw, Job, Prompt, Recipe, Role, Sample, Sampling

OBJECTS = ("dog", "ghost", "bomb", "nothing")
STYLES = ("noto", "ink", "nothing")
SAMPLING = Sampling("emoji-sd", "ddim", 20, 7.5, 64, 64)


def judge(folder: Path) -> Path:
    """A small random ResNet with two heads, saved."""
    from transformers import ResNetConfig, ResNetForImageClassification

    names = dict(enumerate([*(f"object:{word}" for word in OBJECTS), *(f"style:{word}" for word in STYLES)]))
    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "layer_type": "basic"}
    config = ResNetConfig(**sizes, id2label=names, label2id={word: i for i, word in names.items()})
    ResNetForImageClassification(config).save_pretrained(folder)
    return folder


def clip(folder: Path, seed: int = 0) -> Path:
    """A small random CLIPModel with a tokenizer of letters and its image processor, saved."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    letters = [chr(i) for i in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokens = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
    shared = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1}
    special = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    text = {**shared, **special, "vocab_size": len(words), "max_position_embeddings": 77}
    torch.manual_seed(seed)
    config = CLIPConfig(
        text_config=text, vision_config={**shared, "image_size": 64, "patch_size": 16}, projection_dim=8
    )
    CLIPModel(config).save_pretrained(folder)
    tokens.save_pretrained(folder)
    half = [0.5, 0.5, 0.5]
    CLIPImageProcessor(size={"shortest_edge": 64}, crop_size=64, image_mean=half, image_std=half).save_pretrained(
        folder
    )
    return folder


def real(path: Path, n: int = 40, width: int = 8) -> Path:
    """Random features of "real" pictures, saved as the shipped ones are."""
    from safetensors.numpy import save_file

    rng = np.random.default_rng(1)
    labels = {"object": np.zeros(n, np.int64), "style": np.zeros(n, np.int64)}
    save_file({"clip": rng.standard_normal((n, width)).astype(np.float16), **labels}, path)
    return path


def picture(path: Path, seed: int, size: int = 64) -> Path:
    """A patchwork of random colours, saved as PNG."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(patches).resize((size, size), Image.Resampling.NEAREST).save(path)
    return path


def sample(
    image: Path, i: int = 0, role: Role = "target", text: str = "a dog", erase: Sequence[str] = ("dog",)
) -> Sample:
    """A sample around a picture."""
    recipe = Recipe("fake", "1", {}, tuple(erase), 0, "model")
    prompt = Prompt(f"p{i}", text, "dog", (Draw(i),), shows={"object": "dog", "style": "noto"})
    job = Job(recipe, f"{text} {i}", Draw(i), SAMPLING)
    return Sample(job, prompt, Draw(i), Case("dog", tuple(erase)), role, image)


def samples(folder: Path, n: int, seed: int = 0) -> list[Sample]:
    """n samples with pictures of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    return [sample(picture(folder / f"{i}.png", seed + i), i, text=f"a dog {i}") for i in range(n)]
