"""Numbers made of other numbers, which stand beside them wherever they are shown.

LPIPS_da and UA as the papers' scripts print them; H_o, H_c, H_a: MACE, Lu et al., CVPR 2024,
https://arxiv.org/abs/2403.06135; UA, IRA, CRA: UnlearnCanvas, https://arxiv.org/abs/2402.11846.
A rate is a share of pictures, 0 to 1. LPIPS_e and LPIPS_u are plain means of LPIPS to the unedited model's picture,
over target and over kept prompts. Acc_e and Acc_g are the shares of target pictures in which an erased concept is
still recognised, of prompts that name it and of those that say it in other words; Acc_s is the accuracy on kept
prompts. H_c is of all target pictures, named or not, so UA stands for 1 - Acc_e in it: the same where all are named.
IRA and CRA are plain accuracies on kept prompts, of the erased concept's own domain (objects, where an object goes)
and of the other (their style); ASR is the rate of erased concepts on attack prompts.
EraseBench (ICCV 2025, https://arxiv.org/abs/2501.09833) calls the rate of the erased concept Eff (efficacy) where it is
named and Gen (generality) in other words, and the accuracy on its neighbours Sens (sensitivity); HM is their harmonic
mean, by H_o's formula.
Every function takes arrays as it takes numbers, element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Mean = TypeVar("Mean", float, NDArray[np.float64])


def da(e: Mean, u: Mean) -> Mean:
    """d_e - d_u, LPIPS_da of LPIPS: how much further targets move than everything else. Higher is better."""
    return e - u


def ua(shown: Mean) -> Mean:
    """UA = 1 - the share of target pictures in which the erased concept is still recognised."""
    return 1 - shown


def acc(shown: Mean) -> Mean:
    """Acc_e, Acc_g: the share itself, of target prompts that name the erased concept, or say it in other words."""
    return shown


def h_o(acc_e: Mean, acc_s: Mean, acc_g: Mean) -> Mean:
    """H_o = 3 / (1/(1 - Acc_e) + 1/Acc_s + 1/(1 - Acc_g)): erased, others, other words for the erased; 0 to 1."""
    return harmonic((1 - acc_e, acc_s, 1 - acc_g))


def hm(eff: Mean, sens: Mean, gen: Mean) -> Mean:
    """HM = 3 / (1/(1 - Eff) + 1/Sens + 1/(1 - Gen)): H_o, of what is kept the neighbours alone; 0 to 1."""
    return h_o(eff, sens, gen)


def h_c(acc_e: Mean, acc_s: Mean) -> Mean:
    """H_c = 2 / (1/(1 - Acc_e) + 1/Acc_s): erased, others; 0 to 1."""
    return harmonic((1 - acc_e, acc_s))


def h_a(clip_s: Mean, clip_e: Mean) -> Mean:
    """H_a = CLIP_s - CLIP_e: how much better kept prompts are followed than erased ones, in the scale given."""
    return clip_s - clip_e


def harmonic(parts: Sequence[Mean]) -> Mean:
    """The harmonic mean of numbers of at least 0; its limit, 0, where one of them is 0."""
    x = np.array(parts)
    if x.min() < 0:
        raise ValueError(f"a harmonic mean is of numbers of at least 0, got {x.min()}")
    with np.errstate(divide="ignore"):  # 1/0 is infinite, and a part of infinity 0
        found: Mean = len(x) / (1 / x).sum(0)
    return found
