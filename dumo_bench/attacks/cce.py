"""Circumventing Concept Erasure Methods For Text-to-Image Generative Models.

Minh Pham, Kelly O. Marshall, Niv Cohen, Govind Mittal, Chinmay Hegde. ICLR 2024, arXiv 2308.01508 (CCE). Sees the
erased model, and pictures of the concept.

Textual inversion: one vector v in the place of the concept's name, learnt on pictures x_0 of it through the erased
model, of which nothing else moves:

    min over v   | eps_erased(x_t, t, text with v) - n |^2,      t uniform, n new at every step

25 pictures by the unedited model; AdamW 5e-3 times 16 rows, decay 0.01, 5,000 steps of 4 x 4 rows, begun at the vector
of one word. What is found is an embedding: each prompt has a mark in place of the concept's name, and the text encoder
reads v there.

Followed in part: published texts are templates of textual inversion, said of any picture; here each picture keeps the
prompt that it was drawn from, with the mark in it, for some say whose style it is. The 4 rows that are read at once
share a timestep. Against erasers that act by guidance the published loss is of guided estimates: `guidance` above 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dumo_bench.citation import Paper
from dumo_bench.hosts import starts
from dumo_bench.hosts.sd import Host, tokens
from dumo_bench.interfaces import Attack, Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.pictures import Pictures, drawn
from dumo_bench.kit.seen import Seen, noised
from dumo_bench.types import Found, Start


@dataclass(frozen=True)
class CCE(Attack):
    """pictures: of each concept. rows, parts: pictures that share a timestep, and how many such parts are a step.

    initial: a word, whose first token's vector is the first one. guidance: of the erased model's estimate.
    """

    name: ClassVar[str] = "cce"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Pham et al., ICLR 2024, arXiv 2308.01508"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "pham2024circumventing",
            "Circumventing Concept Erasure Methods For Text-to-Image Generative Models",
            (
                "Minh Pham",
                "Kelly O. Marshall",
                "Niv Cohen",
                "Govind Mittal",
                "Chinmay Hegde",
            ),
            2024,
            venue="International Conference on Learning Representations",
            arxiv="2308.01508",
        ),
    )
    sees: ClassVar[Sees] = "erased model"
    bounds: ClassVar = {
        **dict.fromkeys(("pictures", "steps", "rows", "parts", "picture_steps"), "[1, inf)"),
        "lr": "(0, inf)",
        **dict.fromkeys(("decay", "guidance", "picture_guidance"), "[0, inf)"),
    }

    pictures: int = 25
    steps: int = 5000
    rows: int = 4
    parts: int = 4
    lr: float = 0.08
    decay: float = 0.01
    initial: str = "art"
    guidance: float = 1.0
    picture_steps: int = 25
    picture_guidance: float = 7.5

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        g = train.seeded(seed)
        pictures = [self.drawn(target.host, concept, g) for concept in target.erase]
        with target.edited() as guide:
            seen = Seen(target.host, guide, self.guidance)
            learnt = {c: self.learnt(seen, c, own, g) for c, own in zip(target.erase, pictures, strict=True)}
        begun = {concept: Start(embedding=vector) for concept, (vector, _) in learnt.items()}
        share, each = len(target.texts), self.steps * self.parts * self.rows * len(target.erase)
        for text in target.texts:
            concept = next((c for c in target.erase if train.mentions(text, c)), target.erase[0])
            cost = {"texts": each // share, "forwards": seen.forwards // share}
            yield Found(marked(text, concept), {"loss": learnt[concept][1]}, start=begun[concept], **cost)

    def drawn(self, host: Host, concept: str, g: torch.Generator) -> Pictures:
        """Pictures of prompts that name the concept, by the unedited model."""
        texts = train.choose(train.prompts(host, [concept])[0], self.pictures, g)
        return drawn(host, texts, Trajectory(self.picture_steps, self.picture_guidance), g)

    def learnt(self, seen: Seen, concept: str, pictures: Pictures, g: torch.Generator) -> tuple[Tensor, float]:
        """The vector (1, d), and the mean loss of the last tenth of the steps."""
        host, texts = seen.host, [marked(text, concept) for text in pictures.texts]
        vector = nn.Parameter(first(host, self.initial))
        adam = torch.optim.AdamW([vector], lr=self.lr, weight_decay=self.decay)
        curve = []
        for _ in range(self.steps):
            grads, losses = zip(*(self.part(seen, vector, texts, pictures, g) for _ in range(self.parts)), strict=True)
            vector.grad = torch.stack(grads).mean(0)
            adam.step()
            curve.append(sum(losses) / self.parts)
        tail = curve[-max(1, self.steps // 10) :]
        return vector.detach(), sum(tail) / len(tail)

    def part(
        self, seen: Seen, vector: Tensor, texts: Sequence[str], pictures: Pictures, g: torch.Generator
    ) -> tuple[Tensor, float]:
        """The gradient, and the loss, of pictures at one timestep."""
        which = torch.randint(len(texts), (self.rows,), generator=g)
        asked = noised(pictures, which, int(torch.randint(pictures.levels, (1,), generator=g)), g)
        own = [texts[i] for i in which.tolist()]
        context = starts.read(seen.host, own, vector)
        loss = asked.missed(seen.estimate(asked.z, asked.t, own, tokens(seen.host, own)[0], context))
        (grad,) = torch.autograd.grad(loss, [vector])
        return grad, float(loss.detach())


def marked(text: str, concept: str) -> str:
    """The text with a mark in the place of the concept's name, or behind it where it does not name it."""
    found, n = re.subn(rf"(?<!\w){re.escape(concept)}(?!\w)", starts.MARK, text, flags=re.IGNORECASE)
    return found if n else f"{text} {starts.MARK}"


def first(host: Host, word: str) -> Tensor:
    """The vector (1, d) of a word's first token."""
    ids: list[int] = host.tokenizer(word, add_special_tokens=False).input_ids
    return starts.table(host)[ids[:1]].clone()
