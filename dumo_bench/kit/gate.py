"""How much a prompt speaks of a concept group: SPM's facilitated transport (arXiv 2312.16145), which DuMo took over."""

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
