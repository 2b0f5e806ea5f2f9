"""emoji-clip: a contrastive text and picture pair. Its text tower is the text encoder of emoji-sd."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from dumo_bench.emoji import captions, draw
from dumo_bench.emoji.loop import Plan, train
from dumo_bench.emoji.world import OBJECTS, STYLES

COPIES, BATCH, FAMILIES, WIDTH = 24, 128, 12, 128
PLAN = Plan("clip", steps=2000, lr=1e-3, decay=0.05)
MEAN = STD = (0.5, 0.5, 0.5)


def tokenizer(build: Path) -> CLIPTokenizer:
    """A byte-level BPE vocabulary in which every word of the captions is one token."""
    folder = build / "tokenizer"
    if not (folder / "vocab.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _learn(folder)
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)


def _learn(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    suffix, alphabet = "</w>", sorted(pre_tokenizers.ByteLevel.alphabet())
    learner = Tokenizer(models.BPE(end_of_word_suffix=suffix))
    learner.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace()])
    trainer = trainers.BpeTrainer(vocab_size=4000, end_of_word_suffix=suffix, initial_alphabet=alphabet)
    learner.train_from_iterator(sorted(set(captions.corpus())), trainer)
    merges = [tuple(pair) for pair in json.loads(learner.to_str())["model"]["merges"]]
    words = [*alphabet, *(a + suffix for a in alphabet), *(a + b for a, b in merges)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(dict.fromkeys(words))}), encoding="utf-8")
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "\n".join(f"{a} {b}" for a, b in merges) + "\n", encoding="utf-8"
    )


def make(tokens: CLIPTokenizer) -> CLIPModel:
    """Untrained weights, drawn from a fixed seed: 3 text layers and 4 picture layers of width 128."""
    torch.manual_seed(0)
    shared = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_attention_heads": 4, "projection_dim": WIDTH}
    special = {
        "bos_token_id": tokens.bos_token_id,
        "eos_token_id": tokens.eos_token_id,
        "pad_token_id": tokens.pad_token_id,
    }
    text = {**shared, **special, "vocab_size": len(tokens), "num_hidden_layers": 3, "max_position_embeddings": 77}
    vision = {**shared, "num_hidden_layers": 4, "image_size": 64, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=WIDTH))


def pictures(data: Tensor) -> Tensor:
    """uint8 pictures as the model takes them."""
    return data.float() / 127.5 - 1


def fits(said: Sequence[captions.Caption], shown: Tensor) -> Tensor:
    """Which captions are true of which pictures. shown (m, 3): object, style, background; returns (n, m) bool."""
    objects = torch.zeros(len(said), len(OBJECTS), dtype=torch.bool)
    for row, caption in zip(objects, said, strict=True):
        row[list(caption.objects)] = True
    rest = torch.tensor([[c.style, c.background] for c in said])[:, None]
    return objects[:, shown[:, 0]] & ((rest == shown[None, :, 1:]) | (rest < 0)).all(-1)


def mixed(g: torch.Generator) -> Tensor:
    """Rows of a batch: a dozen objects in all five styles, so that style alone tells them apart; the rest at random."""
    styles = len(STYLES)
    objects = torch.randperm(len(OBJECTS), generator=g)[:FAMILIES, None]
    copies = torch.randint(COPIES, (FAMILIES, styles), generator=g)
    family = ((objects * styles + torch.arange(styles)) * COPIES + copies).flatten()
    others = torch.randint(len(OBJECTS) * styles * COPIES, (BATCH - len(family),), generator=g)
    return torch.cat([family, others])


def run(build: Path) -> CLIPModel:
    """InfoNCE in both directions; all pictures of which a caption is true share its probability."""
    data = draw.pictures(build, COPIES, seed=2)
    shown = torch.stack([data["object"], data["style"], data["background"]], 1)
    tokens = tokenizer(build)

    def loss(clip: nn.Module, g: torch.Generator) -> Tensor:
        rows = mixed(g)
        drawn = [captions.draw(o, s, b, g) for o, s, b in shown[rows].tolist()]
        ids = tokens([c.text for c in drawn], padding=True, return_tensors="pt")
        out = clip(pixel_values=pictures(data["picture"][rows]), **ids)
        match = fits(drawn, shown[rows]).float()
        to_picture = F.cross_entropy(out.logits_per_text, match / match.sum(1, keepdim=True))
        to_text = F.cross_entropy(out.logits_per_image, (match / match.sum(0)).T)
        return (to_picture + to_text) / 2

    return train(PLAN, make(tokens), loss, build)


if __name__ == "__main__":
    import sys

    run(Path(sys.argv[1]))
