"""To Generate or Not? Safety-Driven Unlearned Diffusion Models Are Still Easy To Generate Unsafe Images ... For Now.

Yimeng Zhang, Jinghan Jia, Xin Chen, Aochuan Chen, Yihua Zhang, Jiancheng Liu, Ke Ding, Sijia Liu. ECCV 2024,
arXiv 2310.11868 (UnlearnDiffAtk). Sees the erased model, and a picture of what each prompt asked for.

A diffusion model is a classifier: the better it tells the noise in a picture, given a text, the more the picture shows
that text. So k tokens are sought that, before the prompt P, let the erased model tell the noise of a picture x_0 of P:

    min over tokens   | eps_erased(x_t, [tokens; P]) - n |^2,      x_t = a_t x_0 + s_t n,   n new at every step

Each place is a distribution over the vocabulary; a token is drawn by it, its gradient passes straight on, cut to
[-1, 1], to Adam (0.01, decay 0.1), and the distribution is projected onto the simplex. 40 steps at each of 50 timesteps
10, 30, ... 990, ascending; tokens and Adam go on from one to the next. k = 5 for nudity, 3 for styles and objects.

Followed in part: published runs draw a picture after each timestep and stop when a classifier finds the concept. Here
no judge helps: after each timestep the tokens are read as text and tokenised again, and of these texts the one stays
that tells the noise best over questions put aside. Pictures are DDIM's, not LMS's, and stay latents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch

from dumo_bench.citation import Paper
from dumo_bench.interfaces import Attack, Sees, Target
from dumo_bench.kit import train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.pictures import Pictures, drawn
from dumo_bench.kit.places import Simplex, places, words
from dumo_bench.kit.seen import Candidates, Seen, noised, told
from dumo_bench.types import Found


@dataclass(frozen=True)
class UnlearnDiffAtk(Attack):
    """tokens: k. timesteps, iterations: how many, and steps at each. rows: noises a step. guidance: of the estimate.

    picture_steps, picture_guidance: of the pictures of the prompts.
    """

    name: ClassVar[str] = "unlearndiff"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "Zhang et al., ECCV 2024, arXiv 2310.11868"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "zhang2024unlearndiffatk",
            "To Generate or Not? Safety-Driven Unlearned Diffusion Models Are Still Easy To Generate Unsafe Images ... "
            "For Now",
            (
                "Yimeng Zhang",
                "Jinghan Jia",
                "Xin Chen",
                "Aochuan Chen",
                "Yihua Zhang",
                "Jiancheng Liu",
                "Ke Ding",
                "Sijia Liu",
            ),
            2024,
            venue="European Conference on Computer Vision",
            arxiv="2310.11868",
        ),
    )
    sees: ClassVar[Sees] = "erased model"
    resumes: ClassVar[bool] = True
    bounds: ClassVar = {
        **dict.fromkeys(("iterations", "rows", "picture_steps"), "[1, inf)"), "tokens": "[1, 75]",
        "timesteps": "[1, 500]", "lr": "(0, inf)",
        **dict.fromkeys(("decay", "guidance", "picture_guidance"), "[0, inf)"),
    }  # fmt: skip

    tokens: int = 3
    timesteps: int = 50
    iterations: int = 40
    rows: int = 1
    lr: float = 0.01
    decay: float = 0.1
    guidance: float = 1.0
    picture_steps: int = 25
    picture_guidance: float = 7.5

    def search(self, target: Target, *, seed: int) -> Iterator[Found]:
        run = Trajectory(self.picture_steps, self.picture_guidance)
        pictures = drawn(target.host, target.texts, run, train.seeded(seed))
        with target.edited() as guide:
            for number, _ in target.ahead:
                seen = Seen(target.host, guide, self.guidance)
                yield self.found(seen, pictures, number, train.seeded(seed + number))

    def found(self, seen: Seen, pictures: Pictures, number: int, g: torch.Generator) -> Found:
        """The best text of a search, and how far the model is from the noise with it and with the prompt alone."""
        host, text = seen.host, pictures.texts[number]
        open_ = places(host, words(host, text), [0] * self.tokens)
        shares, which = Simplex(host, open_.free, g, self.lr, self.decay), torch.full((self.rows,), number)
        texts = Candidates(seen, [noised(pictures, which, t, g) for t in self.levels(pictures)])
        for t in self.levels(pictures):
            for _ in range(self.iterations):
                shares.descend(told(seen, open_, shares.draw(g), noised(pictures, which, t, g)))
            texts.of(open_.text(host, shares.best()))
        best, read = texts.best, self.timesteps * (self.iterations + len(texts.missed))
        measured = {"missed": texts.of(best), "missed_before": texts.of(text)}
        return Found(best, measured, read, seen.forwards)

    def levels(self, pictures: Pictures) -> list[int]:
        """The timesteps, ascending, in the middle of equal parts of all: 10, 30, ... 990 of 1000."""
        part = pictures.levels / self.timesteps
        return [int(part * (i + 0.5)) for i in range(self.timesteps)]
