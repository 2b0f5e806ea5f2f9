"""Texts with free places, which white-box attacks fill with tokens by a gradient.

open = places(host, words(host, "a ghost"), [0] * 5)    # five free places before the text
rows = Simplex(host, open.free, lr=0.01, decay=0.1)     # or Nearest
ids, vectors = rows.draw(g)                             # tokens, and vectors through which a gradient passes
context = open.read(host, ids, vectors)                 # states (1, 77, d)
rows.descend(loss)
open.text(host, rows.best())                            # what is then tokenised again
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dumo_bench.hosts.sd import Host, tokens
from dumo_bench.hosts.starts import heard, table


def ordinary(host: Host) -> Tensor:
    """The ids of all tokens but the first and the special ones."""
    special = set(host.tokenizer.all_special_ids)
    return torch.tensor([i for i in range(1, len(host.tokenizer)) if i not in special])


def words(host: Host, text: str) -> list[int]:
    """The ids of a text's tokens, without the special ones, as many as the encoder takes."""
    special, ids = set(host.tokenizer.all_special_ids), tokens(host, [text])[0][0].tolist()
    end = ids.index(host.tokenizer.eos_token_id)
    return [i for i in ids[:end] if i not in special]


@dataclass(frozen=True, eq=False)
class Places:
    """A text: ids (77,), of which those at `at` (k,) are free."""

    ids: Tensor
    at: Tensor

    @property
    def free(self) -> int:
        return len(self.at)

    def filled(self, chosen: Tensor) -> Tensor:
        """ids (1, 77) with tokens (k,) in the free places."""
        return self.ids.index_copy(0, self.at, chosen.to(self.ids))[None]

    def read(self, host: Host, chosen: Tensor, vectors: Tensor) -> Tensor:
        """The states (1, 77, d) of the text with tokens (k,) in the free places, read by their vectors (k, d)."""
        ids = self.filled(chosen)
        whole = table(host)[ids[0]].index_copy(0, self.at, vectors.float())
        with heard(host.text_encoder, whole[None]):
            states: Tensor = host.text_encoder(ids).last_hidden_state
        return states

    def text(self, host: Host, chosen: Tensor) -> str:
        """The text with tokens (k,) in the free places."""
        ids = self.filled(chosen)[0].tolist()
        return str(host.tokenizer.decode(ids[1 : ids.index(host.tokenizer.eos_token_id, 1)])).strip()


def places(host: Host, own: Sequence[int], before: Sequence[int]) -> Places:
    """Tokens with a free place before each of these of them; a number twice, two places. What is too long is cut."""
    words, n = host.tokenizer, host.tokenizer.model_max_length
    free, pad = -1, words.pad_token_id if words.pad_token_id is not None else words.eos_token_id
    every: list[int] = []
    for i in range(len(own) + 1):
        every += [free] * before.count(i) + list(own[i : i + 1])
    every = every[: n - 2]
    ids = torch.tensor([words.bos_token_id, *every, words.eos_token_id] + [pad] * (n - 2 - len(every)))
    at = (ids == free).nonzero()[:, 0]
    return Places(ids.clamp_min(0).to(host.device), at.to(host.device))


class Relaxed(Protocol):
    """What is learnt in place of tokens."""

    def draw(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """Tokens (k,), and vectors (k, d) that pass a gradient on."""
        ...

    def best(self) -> Tensor:
        """The tokens (k,) that it stands for now."""
        ...

    def descend(self, loss: Tensor) -> None: ...


class Nearest:
    """A free vector a place, which stands for the token whose vector is nearest to it by cosine (PEZ, 2302.03668).

    The gradient is taken at that token's vector, and moves the free one. It begins as the vectors of random tokens.
    """

    def __init__(self, host: Host, k: int, g: torch.Generator, lr: float, decay: float) -> None:
        self.ids, every = ordinary(host).to(host.device), table(host)
        self.table = every[self.ids]
        self.vectors = nn.Parameter(self.table[torch.randint(len(self.ids), (k,), generator=g).to(host.device)].clone())
        self.adam = torch.optim.AdamW([self.vectors], lr=lr, weight_decay=decay)

    def nearest(self) -> Tensor:
        """Which of the ordinary tokens each stands for (k,)."""
        return (F.normalize(self.vectors.detach(), dim=1) @ F.normalize(self.table, dim=1).T).argmax(1)

    def draw(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        del g  # nothing is drawn
        which = self.nearest()
        return self.ids[which], self.vectors + (self.table[which] - self.vectors).detach()

    def best(self) -> Tensor:
        return self.ids[self.nearest()]

    def descend(self, loss: Tensor) -> None:
        (self.vectors.grad,) = torch.autograd.grad(loss, [self.vectors])
        self.adam.step()


class Simplex:
    """A share for every token a place: one token is drawn by them, and its gradient, cut to [-1, 1], moves the shares.

    They begin equal; after each step of Adam, whose decay is part of the gradient, they are projected to sum to one.
    """

    def __init__(self, host: Host, k: int, g: torch.Generator, lr: float, decay: float) -> None:
        del g  # nothing is drawn
        self.ids = ordinary(host).to(host.device)
        self.table = table(host)[self.ids]
        self.shares = nn.Parameter(torch.full((k, len(self.ids)), 1 / len(self.ids), device=host.device))
        self.adam = torch.optim.Adam([self.shares], lr=lr, weight_decay=decay)

    def draw(self, g: torch.Generator) -> tuple[Tensor, Tensor]:
        which = torch.multinomial(self.shares.detach().cpu(), 1, generator=g)[:, 0].to(self.ids.device)
        one = F.one_hot(which, len(self.ids)).to(self.shares)
        return self.ids[which], (self.shares + (one - self.shares).detach()) @ self.table

    def best(self) -> Tensor:
        return self.ids[self.shares.detach().argmax(1)]

    def descend(self, loss: Tensor) -> None:
        (grad,) = torch.autograd.grad(loss, [self.shares])
        self.shares.grad = grad.clamp(-1, 1)
        self.adam.step()
        self.shares.data.copy_(projected(self.shares.data))


def projected(x: Tensor) -> Tensor:
    """The nearest rows (n, v) to x that are not negative and sum to one (Duchi et al., ICML 2008)."""
    ordered = x.sort(dim=1, descending=True).values
    over = (ordered.cumsum(1) - 1) / torch.arange(1, x.shape[1] + 1, device=x.device)
    last = (ordered > over).sum(1, keepdim=True) - 1
    return (x - over.gather(1, last)).clamp_min(0)
