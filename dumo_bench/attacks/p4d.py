"""Prompting4Debugging: Red-Teaming Text-to-Image Diffusion Models by Finding Problematic Prompts.

Zhi-Yi Chin, Chieh-Ming Jiang, Ching-Chun Huang, Pin-Yu Chen, Wei-Chen Chiu. ICML 2024, arXiv 2309.06135. Sees both
models.

Tokens P* are sought with which the erased model tells of noised pictures of a prompt P what the original tells with P:

    min over P*   | eps_erased(x_t, P*) - eps_original(x_t, P) |^2,      t uniform, one new noise a step

A free vector a place stands for the token nearest to it by cosine; the gradient is taken there and moves the free one
(AdamW 0.1, decay 0.1, 3,000 steps). P4D-N: 16 free tokens, nothing of P. P4D-K: P, with a free token before each third
of its tokens, the first included.

Followed in part: published runs draw with the tokens every 50 steps and keep what is most like the original's picture
by CLIP. Here no other network helps: the text that stays is the one that, tokenised again, is nearest to the original
over questions put aside. The released code lets special tokens stand in a prompt, gives the VAE pictures of another
range and pads what it optimises otherwise than what it draws; none of that is here. Pictures are DDIM's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch

from dumo_bench.citation import Paper
from dumo_bench.hosts.sd import Host, encode
from dumo_bench.interfaces import Attack, Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.latents import Trajectory, estimate
from dumo_bench.kit.pictures import Pictures, drawn
from dumo_bench.kit.places import Nearest, Places, places, words
from dumo_bench.kit.seen import Candidates, Question, Seen, noised, told
from dumo_bench.types import Found

ASIDE = 16  # questions, at equal distances over all timesteps


@dataclass(frozen=True)
class P4D(Attack):
    """variant: n, free tokens alone, or k, among the prompt's. tokens: of n. every: steps between two texts tried.

    rows: noises a step. guidance: of the erased model's estimate. picture_steps, picture_guidance: of the pictures.
    """

    name: ClassVar[str] = "p4d"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Chin et al., ICML 2024, arXiv 2309.06135"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "chin2024p4d",
            "Prompting4Debugging: Red-Teaming Text-to-Image Diffusion Models by Finding Problematic Prompts",
            (
                "Zhi-Yi Chin",
                "Chieh-Ming Jiang",
                "Ching-Chun Huang",
                "Pin-Yu Chen",
                "Wei-Chen Chiu",
            ),
            2024,
            venue="International Conference on Machine Learning",
            arxiv="2309.06135",
        ),
    )
    sees: ClassVar[Sees] = "both models"
    resumes: ClassVar[bool] = True
    takes: ClassVar[str] = "variant"
    bounds: ClassVar = {
        **dict.fromkeys(("steps", "every", "rows", "picture_steps"), "[1, inf)"), "tokens": "[1, 75]",
        "lr": "(0, inf)", **dict.fromkeys(("decay", "guidance", "picture_guidance"), "[0, inf)"),
    }  # fmt: skip

    variant: Literal["n", "k"] = "n"
    tokens: int = 16
    steps: int = 3000
    every: int = 50
    rows: int = 1
    lr: float = 0.1
    decay: float = 0.1
    guidance: float = 1.0
    picture_steps: int = 25
    picture_guidance: float = 7.5

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        host, run = target.host, Trajectory(self.picture_steps, self.picture_guidance)
        pictures = drawn(host, target.texts, run, train.seeded(seed))
        original = Original(pictures, copy.deepcopy(host.unet), encode(host, target.texts))
        with target.edited() as guide:
            for number, _ in target.ahead:
                yield self.found(Seen(host, guide, self.guidance), original, number, train.seeded(seed + number))

    def found(self, seen: Seen, original: Original, number: int, g: torch.Generator) -> Found:
        """The best text of a search, and how far from the original the model is with it and with the prompt alone."""
        host, text, levels = seen.host, original.pictures.texts[number], original.pictures.levels
        open_ = self.free(host, text)
        vectors, which = Nearest(host, open_.free, g, self.lr, self.decay), torch.full((self.rows,), number)
        even = [int(levels / ASIDE * (i + 0.5)) for i in range(ASIDE)]
        texts = Candidates(seen, [original.asked(which, t, g) for t in even])
        for step in range(1, self.steps + 1):
            t = int(torch.randint(levels, (1,), generator=g))
            vectors.descend(told(seen, open_, vectors.draw(g), original.asked(which, t, g)))
            if step % self.every == 0 or step == self.steps:
                texts.of(open_.text(host, vectors.best()))
        best, read = texts.best, self.steps + ASIDE * len(texts.missed)
        measured = {"missed": texts.of(best), "missed_before": texts.of(text)}
        return Found(best, measured, read, seen.forwards + self.rows * (self.steps + ASIDE))

    def free(self, host: Host, text: str) -> Places:
        """The places of a variant."""
        if self.variant == "n":
            return places(host, [], [0] * self.tokens)
        own = words(host, text)
        return places(host, own, range(0, len(own) + 1, 3))


@dataclass(frozen=True, eq=False)
class Original:
    """The unedited model beside the erased one: its pictures, its network, and the states (n, 77, d) of their texts."""

    pictures: Pictures
    net: Any
    states: torch.Tensor

    @torch.no_grad()
    def asked(self, which: torch.Tensor, t: int, g: torch.Generator) -> Question:
        """Pictures under new noise, of which what the original tells is wanted."""
        one = noised(self.pictures, which, t, g)
        return Question(one.z, t, estimate(self.net, one.z, torch.tensor(t), self.states[which]))
