"""Another text in place of a prompt's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dumo_bench.hosts.sd import Host, encode, tokens
from dumo_bench.types import Conditions


def instead(host: Host, given: Conditions, texts: Sequence[str]) -> Conditions:
    """The conditions of `texts`; where a text is the prompt's own, its conditions stay bit for bit."""
    other = [i for i, text in enumerate(texts) if text != given.texts[i]]
    if not other:
        return given
    ids, cond = given.ids.clone(), given.cond.clone()
    said = [texts[i] for i in other]
    ids[other], cond[other] = tokens(host, said)[0], encode(host, said)
    return replace(given, texts=tuple(texts), ids=ids, cond=cond)
