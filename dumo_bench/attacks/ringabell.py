"""Ring-A-Bell! How Reliable are Concept Removal Methods for Diffusion Models?

Yu-Lin Tsai, Chia-Yi Hsu, Chulin Xie, Chih-Hsun Lin, Jia-You Chen, Bo Li, Pin-Yu Chen, Chia-Mu Yu, Chun-Ying Huang.
ICLR 2024, arXiv 2310.10012. Sees the text encoder of the unedited model alone, so one search serves every eraser.

What a concept is to the text encoder f is the mean of what it adds to texts, and a prompt P' of K tokens is sought that
lies where a prompt P lies with the concept added:

    c = mean_i [ f(P_i with it) - f(P_i without it) ]        min over P'  | f(P') - (f(P) + eta c) |^2

the sum of squares over all rows and dimensions. The search is genetic: of 200 individuals the better half stays, each
parent has with probability 1/2 two children of one cut with a partner drawn among the parents, then every individual,
parents too, has with probability 1/4 one token replaced; the best of the last generation is the result, read as text.
Read again by the tokenizer a text may have other tokens, so pictures are made of the text, not of the tokens.

Followed in part: the released vectors are of 50 pairs of prompts for nudity, ours of the kit's or the host's prompts.
Released lengths K: 16, 38, 77 (75 are free); eta 3, for violence 5 and 5.5, both for states of 768 dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from dumo_bench.citation import Paper
from dumo_bench.hosts.sd import Host, encode
from dumo_bench.interfaces import Attack, Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.places import ordinary
from dumo_bench.types import Found

ROWS = 256  # of texts that are read at once


@dataclass(frozen=True)
class RingABell(Attack):
    """length: tokens of a prompt, at most as many as the encoder takes less two. eta: how much of the concept."""

    name: ClassVar[str] = "ringabell"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Tsai et al., ICLR 2024, arXiv 2310.10012"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "tsai2024ringabell",
            "Ring-A-Bell! How Reliable are Concept Removal Methods for Diffusion Models?",
            (
                "Yu-Lin Tsai",
                "Chia-Yi Hsu",
                "Chulin Xie",
                "Chih-Hsun Lin",
                "Jia-You Chen",
                "Bo Li",
                "Pin-Yu Chen",
                "Chia-Mu Yu",
                "Chun-Ying Huang",
            ),
            2024,
            venue="International Conference on Learning Representations",
            arxiv="2310.10012",
        ),
    )
    sees: ClassVar[Sees] = "text encoder"
    resumes: ClassVar[bool] = True
    bounds: ClassVar = {
        **dict.fromkeys(("length", "generations"), "[1, inf)"), "population": "[2, inf)", "eta": "(-inf, inf)",
    }  # fmt: skip

    length: int = 16
    eta: float = 3.0
    population: int = 200
    generations: int = 3000

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        vector = concept(target.host, target.erase)
        for number, text in target.ahead:
            wanted = encode(target.host, [text])[0] + self.eta * vector
            yield self.found(target.host, wanted, train.seeded(seed + number))

    def found(self, host: Host, wanted: Tensor, g: torch.Generator) -> Found:
        """The prompt nearest to states (77, d), the sum of squares that is left, and the rows that were read."""
        length = min(self.length, host.tokenizer.model_max_length - 2)
        genes, read = ordinary(host)[torch.randint(len(ordinary(host)), (self.population, length), generator=g)], 0
        for _ in range(self.generations):
            genes = changed(self.offspring(genes[self.order(host, genes, wanted)], g), ordinary(host), g)
            read += len(genes)
        best = genes[self.order(host, genes, wanted)[0]]
        return Found(host.tokenizer.decode(best), {"distance": float(distances(host, best[None], wanted))}, texts=read)

    def order(self, host: Host, genes: Tensor, wanted: Tensor) -> Tensor:
        """Indices (n,) of the individuals, the nearest first."""
        return distances(host, genes, wanted).argsort(stable=True).cpu()

    def offspring(self, ordered: Tensor, g: torch.Generator) -> Tensor:
        """The better half (n / 2, K), each of them with a probability of 1/2 followed by two children."""
        parents = ordered[: self.population // 2]
        every = []
        for parent in parents:
            every.append(parent)
            if torch.rand(1, generator=g) < 0.5:
                partner = parents[int(torch.randint(len(parents), (1,), generator=g))]
                cut = int(torch.randint(1, len(parent) + 1, (1,), generator=g))
                every += [torch.cat([parent[:cut], partner[cut:]]), torch.cat([partner[:cut], parent[cut:]])]
        return torch.stack(every)


def concept(host: Host, erase: tuple[str, ...]) -> Tensor:
    """What the concepts add to the states of texts, (77, d): the mean over texts that name one."""
    naming = train.prompts(host, erase)[0]
    plain = [train.without(text, erase) for text in naming]
    parts = [
        encode(host, naming[i : i + ROWS]) - encode(host, plain[i : i + ROWS]) for i in range(0, len(naming), ROWS)
    ]
    return torch.cat(parts).mean(0)


def changed(genes: Tensor, every: Tensor, g: torch.Generator) -> Tensor:
    """Individuals (n, K), each with a probability of 1/4 with one token replaced by one of `every`."""
    n, length = genes.shape
    which = torch.rand(n, generator=g) < 0.25
    where, by = torch.randint(length, (n,), generator=g), every[torch.randint(len(every), (n,), generator=g)]
    genes = genes.clone()
    genes[which, where[which]] = by[which]
    return genes


@torch.no_grad()
def distances(host: Host, genes: Tensor, wanted: Tensor) -> Tensor:
    """| f(P') - wanted |^2 (n,) of prompts of tokens (n, K), summed over rows and dimensions."""
    words, n = host.tokenizer, host.tokenizer.model_max_length
    pad = words.pad_token_id if words.pad_token_id is not None else words.eos_token_id
    ids = torch.full((len(genes), n), pad)
    ids[:, 0], ids[:, 1 : genes.shape[1] + 1], ids[:, genes.shape[1] + 1] = (
        words.bos_token_id,
        genes,
        words.eos_token_id,
    )
    parts = (host.text_encoder(part.to(host.device)).last_hidden_state for part in torch.split(ids, ROWS))
    return torch.cat([(states - wanted).square().sum((1, 2)) for states in parts])
