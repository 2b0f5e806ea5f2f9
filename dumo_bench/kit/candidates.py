"""Words that an eraser may preserve: a model's own or its tokenizer's, those that stand apart, and their latents."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from dumo_bench.hosts.sd import Host, encode, stock_guide
from dumo_bench.kit import lesson, train
from dumo_bench.kit.embeddings import CHUNK
from dumo_bench.kit.latents import Latents, stopped, trajectory
from dumo_bench.types import Guide

COMMON = 3000  # words that a tokenizer learnt first


def vocabulary(host: Host, gone: Sequence[str]) -> list[str]:
    """The objects and styles of the host's world, or common words where it has none; none shares words with `gone`."""
    listed = [word for kind in ("objects", "styles") for word in host.world.get(kind, ())]
    words = dict.fromkeys(listed or common(host))
    return [w for w in words if not any(train.mentions(w, c) or train.mentions(c, w) for c in gone)]


def common(host: Host) -> list[str]:
    """The whole words of three letters or more, a to z alone, that the tokenizer learnt first: the commonest."""
    ids = host.tokenizer.get_vocab()
    whole = sorted((i, token) for token, i in ids.items() if re.fullmatch(r"[a-z]{3,}</w>", token))
    return [token.removesuffix("</w>") for _, token in whole[:COMMON]]


def distances(host: Host, concept: str, words: Sequence[str]) -> Tensor:
    """How far the states of each word are from the concept's, over all 77 rows: (n,) in float64."""
    own = encode(host, [concept])
    parts = [words[i : i + CHUNK] for i in range(0, len(words), CHUNK)]
    return torch.cat([(encode(host, part) - own).double().flatten(1).norm(dim=1) for part in parts])


def nearest(host: Host, concept: str, words: Sequence[str], n: int, centres: int, g: torch.Generator) -> list[str]:
    """Of the n words nearest to the concept those next to k-means' centres of their distances; 0 means all.

    Two centres may have one word, so there may be fewer words than centres.
    """
    if not (n or centres):
        return list(words)
    order = torch.sort(distances(host, concept, words))
    close, far = [words[i] for i in order.indices[: n or None]], order.values[: n or None].cpu()
    if not 0 < centres < len(close):
        return close
    return list(dict.fromkeys(close[int((far - c).abs().argmin())] for c in _means(far, centres, g)))


def _means(values: Tensor, n: int, g: torch.Generator) -> list[float]:
    """n centres of numbers, sorted."""
    from scipy.cluster.vq import kmeans2

    rng = int(torch.randint(2**31, (1,), generator=g))
    centres, _ = kmeans2(values.numpy()[:, None], n, minit="++", rng=rng)
    return sorted(float(c) for c in centres[:, 0])


class Table:
    """Candidates: each its bare word or, with a plan's harvest, captions of it and latents of their runs.

    `context` is (captions, words, 77, d).
    """

    def __init__(
        self, host: Host, plan: lesson.Plan, words: Sequence[str], erase: Sequence[str], g: torch.Generator
    ) -> None:
        self.host, self.plan, self.words = host, plan, words
        many = max(1, plan.retain_prompts // len(words))
        self.texts = [train.choose(captions(host, word, erase), many, g) if plan.harvest else [word] for word in words]
        self.context = torch.stack([encode(host, own) for own in self.texts], 1)
        self.runs = self.sampled(g) if plan.harvest else []

    def sampled(self, g: torch.Generator) -> list[Latents]:
        """The runs of all captions by the unedited model, a word after the other."""
        flat = [text for own in self.texts for text in own]
        parts = [flat[i : i + lesson.BATCH] for i in range(0, len(flat), lesson.BATCH)]
        guide = partial(stock_guide, self.host)
        runs = [(len(part), trajectory(self.host, guide, part, part, self.plan.run, g)) for part in parts]
        return [run.rows(slice(i, None, n)) for n, run in runs for i in range(n)]

    def rows(self, choice: Tensor, guide: Guide, g: torch.Generator) -> Latents:
        """Latents of the words chosen, (n, words) of 0 and 1, whose states pass on the choice's gradient."""
        which, many = choice.argmax(1).tolist(), len(self.texts[0])
        caption = torch.randint(many, (len(which),), generator=g).tolist()
        if self.runs:
            found = Latents.joined([self.runs[i * many + j].draw(1, g) for i, j in zip(which, caption, strict=True)])
        else:
            texts = [self.texts[i][0] for i in which]
            found = stopped(self.host, guide, texts, [""] * len(texts), self.plan.run, g)
        return replace(found, context=torch.einsum("nw,nwkd->nkd", choice.to(self.context), self.context[caption]))


def captions(host: Host, word: str, erase: Sequence[str]) -> list[str]:
    """Texts that mention a word and nothing that is erased."""
    own = [text for text in host.world.get("prompts", ()) if train.mentions(text, word)]
    free = [text for text in own if not any(train.mentions(text, concept) for concept in erase)]
    return free or [template.format(word) for template in train.TEMPLATES]
