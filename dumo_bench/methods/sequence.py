"""One concept after another: each erased on what the ones before left, or by an adapter of its own.

The setting, the penalty and the weights are those of Jiahua Dong, Wenqi Liang, Hongliu Li, Duzhen Zhang, Meng Cao,
Henghui Ding, Salman Khan, Fahad Shahbaz Khan. How to Continually Adapt Text-to-Image Diffusion Models for Flexible
Customization? NeurIPS 2024, arXiv 2410.17594. CIDM learns concepts; here they are erased, and its learnt tokens, its
shared subspace and its synthesis by regions have no part. How edits meet (`combine`):

    chain       the next is fitted on the model as it is by then: weights, or low-rank adapters on top of one another
    sum         adapters that are each learnt on the unedited model, added
    orthogonal  the same, the next one's loss with  apart * mean | A_i A_new^T |  over layers and earlier i (CIDM's R1)
    route       the same as the sum, weighted for each prompt by psi(M) = M^2 / ||M^2||_2  (its elastic aggregation)

A_i are the rows of `down`, as in the paper; the released code takes those of `up`, and a fourth power in psi. M_i is
the mean over the tokens of concept i of the largest cosine with a token of the prompt: there are no learnt tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import torch

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.hosts.sd import Host, interpolated
from dumo_bench.interfaces import Keep, Method, Sequel
from dumo_bench.kit import lora
from dumo_bench.types import Edit, Guide


@dataclass(frozen=True)
class InSequence(Sequel):
    """of: the method that erases each, `of_set` its settings; apart: weight of the penalty of `combine=orthogonal`.

    strength: how much of all edits is taken.
    """

    name: ClassVar[str] = "sequence"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "the setting of Dong et al., NeurIPS 2024, arXiv 2410.17594, for erasing"
    papers: ClassVar[tuple[Paper, ...]] = (
        Paper(
            "dong2024cidm",
            "How to Continually Adapt Text-to-Image Diffusion Models for Flexible Customization?",
            (
                "Jiahua Dong", "Wenqi Liang", "Hongliu Li", "Duzhen Zhang", "Meng Cao", "Henghui Ding", "Salman Khan",
                "Fahad Shahbaz Khan",
            ),
            2024,
            venue="Advances in Neural Information Processing Systems",
            arxiv="2410.17594",
        ),
    )  # fmt: skip
    teaches: ClassVar[bool] = True
    shown: ClassVar[tuple[str, ...]] = ("of", "combine")
    after_fit: ClassVar[frozenset[str]] = frozenset({"strength"})
    bounds: ClassVar[dict[str, str]] = {"apart": "[0, inf)"}

    of: str = "uce"
    of_set: tuple[str, ...] = ()
    combine: Literal["chain", "sum", "orthogonal", "route"] = "chain"
    apart: float = 0.1
    strength: float = 1.0

    def base(self, erase: Sequence[str]) -> tuple[Method, Sequence[str]]:
        """The sequence without its last concept, at whatever strength the whole is taken; of one, the method itself."""
        return (replace(self, strength=1.0).over(self.inner), tuple(erase[:-1])) if erase[1:] else (self.inner, erase)

    def fit_on(self, host: Host, under: Edit, erase: Sequence[str], *, seed: int, keep: Keep) -> Edit:
        del keep  # every stage is a recipe of its own
        if len(erase) == 1:
            return under
        last, low_rank = [erase[-1]], adapters(under)
        if self.combine == "chain" and not low_rank:
            with self.inner.apply(host, under):
                new = self.inner.fit(host, last, seed=seed)
            return Edit({**under.tensors, **weights(self, new)}, new.header)
        if not low_rank:
            raise UserError(
                f"sequence: combine={self.combine} adds low-rank adapters, of modular or spm, and {self.of} has none"
            )
        if self.combine == "chain":
            with lora.attached(host.unet, lora.sets(host.unet, under)):
                return lora.joined(under, self.inner.fit(host, last, seed=seed))
        if self.combine == "orthogonal":
            earlier = lora.sets(host.unet, under)
            host = replace(host, apart=partial(lora.overlap, earlier=earlier, weight=self.apart))
        return lora.joined(under, self.inner.fit(host, last, seed=seed))

    @contextmanager
    def apply(self, host: Host, edit: Edit) -> Iterator[Guide]:
        if adapters(edit):
            scaled = {k: self.strength * t if k.endswith("up.weight") else t for k, t in edit.tensors.items()}
            gate = "route" if self.combine == "route" else edit.header["gate"]
            edit = Edit(scaled, {**edit.header, "gate": gate})
        elif self.strength != 1:
            edit = Edit(interpolated(host, weights(self, edit), self.strength), edit.header)
        with self.inner.apply(host, edit) as guide:
            yield guide


def adapters(edit: Edit) -> bool:
    """Whether an edit is of low-rank adapters."""
    return bool(edit.tensors) and all(name.startswith("lora.") for name in edit.tensors)


def weights(method: InSequence, edit: Edit) -> dict[str, torch.Tensor]:
    """The tensors of an edit that changes weights; any other cannot be learnt on top of one."""
    if odd := [name for name in edit.tensors if not name.startswith(("unet.", "text.", "transformer."))]:
        raise UserError(
            f"sequence: {method.of} adds modules ({odd[0]}), which are not fitted on one another: its own fit of "
            "several concepts is their sum; choose a method that changes weights, or modular or spm"
        )
    return dict(edit.tensors)
