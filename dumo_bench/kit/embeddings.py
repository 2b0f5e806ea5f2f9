"""Rows of the text encoder's output: what closed-form erasers move, where to, and what must stay.

The tokenizer reads '' and ' ' alike: start, end, padding. A text's last subject token stands before its end token; of
an empty text that is the start token, whose row is the same for every text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dumo_bench.errors import unknown
from dumo_bench.hosts.parts import Reads
from dumo_bench.hosts.sd import Host, encode, reads

CHUNK = 64  # texts encoded at once
#: preserved where an object goes, as other artists where a style goes: the lists of a small model's own `world.json`.
#: Without them seven objects took all others of emoji-sd along. Ours; Stable Diffusion lists nothing and adds nothing.
WORLD = ("@objects", "@styles")


def once(host: Host) -> Host:
    """The host that reads a text once, however often it is asked: reading is what costs most."""
    return replace(host, known={})


def strings(host: Host, preserve: Iterable[str], erase: Sequence[str]) -> list[str]:
    """Strings to preserve, each once and never one that is erased, in any case.

    `@styles` is the host's own list of that name. Those of WORLD are empty where the host has none; others are refused.
    """
    lists = {**dict.fromkeys(WORLD, ()), **{f"@{name}": words for name, words in host.world.items()}}
    asked, gone = list(preserve), {concept.casefold() for concept in erase}
    for name in asked:
        if name.startswith("@") and name not in lists:
            raise unknown("lists to preserve", name, lists)
    every = [w for s in asked for w in lists.get(s, (s,))]
    return [w for w in dict.fromkeys(every) if w.casefold() not in gone]


def whole(host: Host, texts: Sequence[str], by: Reads | None = None) -> Tensor:
    """All rows of the texts, padding included: (77 n, d). by: whose rows, the first's of `reads` if nobody is named."""
    parts = [states(host, texts[i : i + CHUNK], by).flatten(0, 1) for i in range(0, len(texts), CHUNK)]
    return torch.cat([none(host, by), *parts])


def subject(host: Host, texts: Sequence[str], by: Reads | None = None) -> Tensor:
    """The row of each text's last subject token: (n, d)."""
    if not texts:
        return none(host, by)
    return states(host, texts, by)[torch.arange(len(texts), device=host.device), last(host, texts, by)]


def aligned(host: Host, pairs: Iterable[tuple[str, str]], by: Reads | None = None) -> tuple[Tensor, Tensor]:
    """Rows (n, d) of concepts and of their targets, each from its last subject token on, cut to equal length."""
    found = [(none(host, by), none(host, by))]
    for pair in pairs:
        own, starts = states(host, pair, by), last(host, pair, by).tolist()
        length = own.shape[1] - max(starts)
        found.append((own[0, starts[0] :][:length], own[1, starts[1] :][:length]))
    old, new = zip(*found, strict=True)
    return torch.cat(old), torch.cat(new)


def states(host: Host, texts: Sequence[str], by: Reads | None = None) -> Tensor:
    """The rows (n, rows, d) of the texts' contexts that are read."""
    by = by or reads(host)[0]
    return encode(host, texts)[:, by.rows, : by.width]


def last(host: Host, texts: Sequence[str], by: Reads | None = None) -> Tensor:
    """Where the last subject token of each text stands: (n,) long, 0 of an empty one and where a row is a whole text.

    The end token is the last that the mask counts.
    """
    tower = (by or reads(host)[0]).tower
    if tower is None:
        return torch.zeros(len(texts), dtype=torch.long, device=host.device)
    return (host.towers[tower].tokens(texts, host.device)[1].sum(1) - 2).clamp_min(0)


def none(host: Host, by: Reads | None = None) -> Tensor:
    """No rows: (0, d)."""
    return torch.empty(0, (by or reads(host)[0]).width, device=host.device, dtype=host.dtype)
