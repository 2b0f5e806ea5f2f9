"""What hosts of every kind are made of: a model's folder, text towers, and who reads what of a text."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dumo_bench.hosts import models
from dumo_bench.storage import hub


@dataclass(frozen=True, slots=True)
class Folder:
    """A diffusers folder whose parts are loaded in one precision; the hub is never asked."""

    path: Path
    dtype: torch.dtype

    def words(self, cls: Any, part: str) -> Any:
        """A tokenizer."""
        return cls.from_pretrained(str(models.part(self.path, part)), **hub.CLOSED)

    def tower(self, cls: Any, part: str) -> Any:
        """A text encoder of transformers."""
        return cls.from_pretrained(str(models.part(self.path, part)), **hub.CLOSED, dtype=self.dtype)

    def clip(self, cls: Any, words: Any, which: str) -> Tower:
        """A tower of CLIP and its tokenizer: "" the first, "_2" the second."""
        tokenizer = self.words(words, f"tokenizer{which}")
        return Tower(tokenizer, self.tower(cls, f"text_encoder{which}"), tokenizer.model_max_length)

    @property
    def pixels(self) -> int:
        """Of a latent, along one side."""
        config = json.loads((models.part(self.path, "vae") / "config.json").read_text(encoding="utf-8"))
        return int(2 ** (len(config["block_out_channels"]) - 1))

    def network(self, cls: Any, part: str, dtype: torch.dtype | None = None) -> Any:
        """A network of diffusers."""
        where = str(models.part(self.path, part))
        return cls.from_pretrained(where, **hub.LOCAL, torch_dtype=dtype or self.dtype)


@dataclass(frozen=True, slots=True)
class Tower:
    """A text encoder with its tokenizer; texts are padded or cut to `length` tokens."""

    tokenizer: Any
    encoder: nn.Module
    length: int

    def tokens(self, texts: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask, both (n, length)."""
        how = {"padding": "max_length", "truncation": True, "max_length": self.length, "return_tensors": "pt"}
        out = self.tokenizer(list(texts), **how)
        return out.input_ids.to(device), out.attention_mask.to(device)


@dataclass(frozen=True, slots=True)
class Reads:
    """Matrices (h, width) of the network that all read the same rows of a text's context (n, rows, d).

    names: of the matrices. rows: those that they read, of which they read the first `width` numbers. tower: whose
    tokens the rows are; None: one row that stands for the whole text. network: what edits call it.
    """

    names: tuple[str, ...]
    rows: slice
    width: int
    tower: int | None
    network: str = "unet"


def below(states: Tensor, pooled: Tensor) -> Tensor:
    """States (n, rows, d) with a pooled state (n, p) as the last row; the narrower of the two is filled with zeros."""
    width = max(states.shape[-1], pooled.shape[-1])
    rows = [nn.functional.pad(one, (0, width - one.shape[-1])) for one in (states, pooled[:, None])]
    return torch.cat(rows, 1)
