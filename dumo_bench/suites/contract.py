"""The sampling contract of a suite: how its pictures are made, and what rows state for themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dumo_bench.types import Prompt, Sampling, Suite, digest

OF_ROWS = ("guidance", "height", "width")  # what a row may state in place of the contract's
PER_ROW = "per row"


def sampling(suite: Suite, *, model: str | None = None, dtype: str | None = None) -> Sampling:
    """The suite's sampling contract, with the user's model and precision where given."""
    return replace(suite.sampling, model=model or suite.sampling.model, dtype=dtype or suite.sampling.dtype)


def resolved(contract: Sampling, prompt: Prompt) -> Sampling:
    """The contract with the guidance and the size that the prompt's own row states; where it states none, itself."""
    own = {name: value for name in OF_ROWS if (value := getattr(prompt, name)) is not None}
    return replace(contract, **own) if own else contract


def contract_key(suite: Suite, contract: Sampling) -> str:
    """The hash of a contract, and of its rule for guidance and size: one value for all, or each row its own.

    I2P at 7.5 throughout and I2P as its rows say are two contracts, though both write down the same 7.5.
    """
    return key_by_rows(contract, [name for name in OF_ROWS if _stated(suite, name)])


def key_by_rows(contract: Sampling, own: Sequence[str]) -> str:
    """The hash of a contract where rows state what is in `own`, some of OF_ROWS in their order."""
    return keyed(contract.key, own)


def keyed(key: str, own: Sequence[str]) -> str:
    """The key of a contract, with that of its rule for rows."""
    return digest([key, list(own)])[:12] if own else key


def described(suite: Suite, contract: Sampling) -> dict[str, Any]:
    """A contract as it is written down: its key, its fields, and in place of what rows state the rule."""
    said = {name: by_rows(getattr(contract, name), _stated(suite, name), len(suite.prompts)) for name in OF_ROWS}
    return {"key": contract_key(suite, contract), **dataclasses.asdict(contract), **said}


def by_rows(value: float, stated: int, rows: int) -> float | str:
    """What holds for rows of which some state a value of their own."""
    return value if not stated else PER_ROW if stated == rows else f"{PER_ROW}, else {value:g}"


def _stated(suite: Suite, name: str) -> int:
    """How many rows of a suite state this themselves."""
    return sum(getattr(prompt, name) is not None for prompt in suite.prompts)
