"""The sampling contract in words, as the runs of a results folder wrote it down: tables hold its key alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from dumo_bench.suites.contract import PER_ROW

Contracts: TypeAlias = Mapping[str, Mapping[str, Any]]  # key -> the fields of Sampling; of rows that differ their rule

OLDER = "an older key: what else the sampler does was left to the model's scheduler_config.json"


def line(keys: Iterable[str], known: Contracts) -> str:
    """A sentence for each contract."""
    return " ".join(f"Sampling contract {key}: {said(key, known)}." for key in keys)


def said(key: str, known: Contracts) -> str:
    """One contract: "sd14, lms, 50 steps, guidance per row, size per row, float32, noise from the cpu"."""
    if key not in known:
        return "no run in this folder's runs/ tells it"
    found = _parts(known[key])
    defined = {"sampler"} if known[key].get("sampler") else set()  # a long line, and its name stands there
    return ", ".join(text for name, text in found.items() if name not in defined and not text.startswith("no "))


def apart(key: str, among: Iterable[str], known: Contracts) -> str:
    """What of a contract others do not share, behind a space; nothing where one of them is not known."""
    keys = list(among)
    if any(one not in known for one in keys):
        return ""
    mine, others = _parts(known[key]), [_parts(known[one]) for one in keys]
    found = [text for name, text in mine.items() if any(other[name] != text for other in others)]
    return f" ({', '.join(found)})" if found else ""


def _parts(contract: Mapping[str, Any]) -> dict[str, str]:
    """Each part of a contract in words."""
    by_row = any(PER_ROW in str(contract[name]) for name in ("width", "height"))
    more = {"revision": "revision", "negative": "negative prompt"}
    return {
        "model": contract["model"],
        "scheduler": contract["scheduler"],
        "sampler": contract.get("sampler") or OLDER,
        "steps": f"{contract['steps']} steps",
        "guidance": f"guidance {contract['guidance']}",
        "size": f"size {PER_ROW}" if by_row else f"{contract['width']} x {contract['height']}",
        "dtype": contract["dtype"],
        "noise": f"noise from the {contract['noise']}",
        **{name: f"{says} {contract[name]!r}" if contract[name] else f"no {says}" for name, says in more.items()},
    }
