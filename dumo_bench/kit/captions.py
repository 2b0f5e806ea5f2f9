"""Captions of a concept beside captions of its anchor, and which rows of the two belong to one another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dumo_bench.hosts.sd import Host, encode, tokens
from dumo_bench.kit import train
from dumo_bench.kit.embeddings import none
from dumo_bench.kit.tokens import after, words


class Captions:
    """n captions of a concept, and the same with an anchor in its place, "" for nothing."""

    def __init__(self, host: Host, concept: str, anchor: str, n: int, g: torch.Generator) -> None:
        self.host, self.concept = host, concept
        self.texts = train.choose(train.prompts(host, [concept])[0], n, g)
        renamed = [train.renamed([t], [concept], anchor) if anchor else [] for t in self.texts]
        self.others = [
            new[0] if new else train.without(t, [concept]) for t, new in zip(self.texts, renamed, strict=True)
        ]

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where in each caption the concept's first word stands, and where its last one ends."""
        word = self.words(self.texts).int()
        return [(int(row.argmax()), len(row) - int(row.flip(0).argmax())) for row in word]

    def words(self, texts: Sequence[str]) -> Tensor:
        """(n, 77) bool: the concept's own tokens."""
        return words(self.host, tokens(self.host, texts)[0], tokens(self.host, [self.concept])[0][0])

    @property
    def beside(self) -> tuple[Tensor, Tensor]:
        """Rows f and g (n, d): of what follows the concept in a caption, and follows the anchor in the other."""
        host, found = self.host, [(none(self.host),) * 2]
        ids, others = tokens(host, self.texts)[0], tokens(host, self.others)[0]
        ends, there = after(host, ids).tolist(), after(host, others).tolist()
        old, new = encode(host, self.texts), encode(host, self.others)
        for i, (_, start) in enumerate(self.spans):
            other = there[i] - (ends[i] - start)
            if other > 0 and torch.equal(ids[i, start : ends[i]], others[i, other : there[i]]):
                n = ids.shape[1] - max(start, other)
                found.append((old[i, start : start + n], new[i, other : other + n]))
        f, g = zip(*found, strict=True)
        return torch.cat(f), torch.cat(g)

    @property
    def rows(self) -> Tensor:
        """Rows e (n, d) of the captions from the concept on."""
        states = encode(self.host, self.texts)
        return torch.cat([states[i, start:] for i, (start, _) in enumerate(self.spans)])
