"""What is said about a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from dumo_bench.types import UserError


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that nobody knows: the nearest one, then all of them."""
    every = sorted(known)
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"{what}: nothing is called {name!r}.{guess} Known: {', '.join(every) or 'none'}.")


def listing(text: str) -> tuple[str, ...]:
    """`a,b` as ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
