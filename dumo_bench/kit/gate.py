"""How much a prompt speaks of a concept group: SPM's facilitated transport (arXiv 2312.16145), which DuMo took over.

And how a prompt is shared out among several: CIDM's elastic aggregation (arXiv 2410.17594).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from dumo_bench.hosts.sd import Host, encode, tokens
from dumo_bench.types import Conditions


class Gate:
    """m(p): the larger of embedding cosine and token overlap, over the words of one concept group."""

    def __init__(self, host: Host, words: Sequence[str]) -> None:
        self.special = set(host.tokenizer.all_special_ids)
        self.states = F.normalize(encode(host, words).flatten(1), dim=1)
        self.words = [set(row) - self.special for row in tokens(host, words)[0].tolist()]

    def __call__(self, given: Conditions) -> Tensor:
        """(B,); every row on its own: 1 where all tokens of a word occur in the prompt, else at least the cosine."""
        cosine = (F.normalize(given.cond.flatten(1), dim=1) @ self.states.T).amax(1).clamp(max=1)  # rounding
        overlap = [max(len(set(row) & w) / len(w) for w in self.words) for row in given.ids.tolist()]
        return torch.maximum(cosine, torch.tensor(overlap, device=cosine.device, dtype=cosine.dtype))


class Route:
    """psi(M) = M^2 / ||M^2||_2 over concept groups. M_i: the mean over the group's tokens of the largest cosine of each
    with a token of the prompt, at least 0."""

    def __init__(self, host: Host, groups: Sequence[Sequence[str]]) -> None:
        self.special = torch.tensor(sorted(set(host.tokenizer.all_special_ids)), device=host.device)
        self.rows = []
        for words in groups:
            ids, states = tokens(host, words)[0], encode(host, words)
            self.rows.append(F.normalize(states[~torch.isin(ids, self.special)], dim=-1))

    def __call__(self, given: Conditions) -> list[Tensor]:
        """A weight (B,) for each group; every row on its own. A prompt without a token opens none."""
        own = ~torch.isin(given.ids, self.special)
        states = F.normalize(given.cond, dim=-1)
        found = []
        for rows in self.rows:
            cosine = (states @ rows.T).masked_fill(~own[..., None], 0)  # (B, 77, tokens)
            found.append(cosine.amax(1).clamp(min=0).mean(1).square())
        m = torch.stack(found)
        return list(m / m.norm(dim=0).clamp(min=torch.finfo(m.dtype).tiny))
