"""Random judge and CLIP folders of the shipped classes, pictures, and samples: what tests of scorers are made of."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dumo_bench.types import Case, Draw, Job, Prompt, Recipe, Role, Sample, Sampling, Suite

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


OPEN = "tiny-open"  # an architecture of open_clip that only tests have


def open_clip_checkpoint(folder: Path) -> tuple[Path, str]:
    """A small random CLIP of open_clip's: its checkpoint, and the spec that names it."""
    import open_clip

    layers = {"width": 32, "layers": 1}
    config = {
        "embed_dim": 8,
        "vision_cfg": {**layers, "image_size": 64, "patch_size": 16, "head_width": 16},
        "text_cfg": {**layers, "context_length": 77, "vocab_size": 49408, "heads": 2},
    }
    (folder / f"{OPEN}.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder / f"{OPEN}.json")
    torch.manual_seed(0)
    torch.save(open_clip.create_model(OPEN).state_dict(), folder / "tiny.pt")
    return folder / "tiny.pt", f"open_clip:{OPEN}/{folder / 'tiny.pt'}"


def classifier(folder: Path, labels: Sequence[str] = ("Noto", "Ink_Drawing", "other")) -> Path:
    """A small random image classifier with its image processor, saved."""
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

    torch.manual_seed(0)
    sizes = {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "layer_type": "basic"}
    names = dict(enumerate(labels))
    config = ResNetConfig(**sizes, id2label=names, label2id={word: i for i, word in names.items()})
    ResNetForImageClassification(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 64}, crop_pct=1.0).save_pretrained(folder)
    return folder


def alexnet(path: Path) -> Path:
    """Random weights of the part of torchvision's AlexNet that LPIPS uses, saved under its names."""
    from torchvision.models import AlexNet

    torch.manual_seed(0)
    torch.save({f"features.{name}": value for name, value in AlexNet().features.state_dict().items()}, path)
    return path


def clean_inception(path: Path) -> Path:
    """A small random network of the form of clean-fid's Inception: `layers` from (n, 3, 299, 299) to 2048 features."""

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            small = torch.nn.Conv2d(3, 16, 23, 23)
            self.layers = torch.nn.Sequential(small, torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
            self.layers.append(torch.nn.Linear(16, 2048))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    torch.manual_seed(0)
    torch.jit.script(Small().eval()).save(path)
    return path


def fidelity_inception(path: Path) -> Path:
    """Random weights of torch-fidelity's Inception, which reads them from a file as it is made: from an empty one."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unread(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object, **__: object) -> None:
            """Keep the random ones."""

    torch.manual_seed(0)
    torch.save({}, path)
    torch.save(Unread("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)).state_dict(), path)
    return path


def prompts(path: Path, width: int = 8) -> Path:
    """Two random prompts for Q16, pickled as its authors' are."""
    path.write_bytes(pickle.dumps(np.random.default_rng(2).standard_normal((2, width)).astype(np.float16)))
    return path


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
    """n samples with pictures of their own; the original of one is another's."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [sample(picture(folder / f"{i}.png", seed + i), i, text=f"a dog {i}") for i in range(n)]
    return [replace(one, original=made[n - 1 - i].image) for i, one in enumerate(made)]


def suite(task: str = "object") -> Suite:
    """Three prompts: two concepts in two styles."""
    shown = [("dog", "noto"), ("ghost", "ink"), ("dog", "ink")]
    prompts = [
        Prompt(f"p{i}", f"a {thing}", thing, (Draw(i),), shows={"style": style})
        for i, (thing, style) in enumerate(shown)
    ]
    return Suite("s", 1, "", "", (Case("dog", ("dog",)),), tuple(prompts), SAMPLING, task=task)
