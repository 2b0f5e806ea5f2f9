"""What a user can mend, and what is said about a name that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend: said in one line, exit code 2, no traceback."""


class Misdeclared(UserError, ValueError):
    """A value that a plugin declares and that means nothing: what was wanted and what came."""


def unknown(what: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that nobody knows: the nearest one, then all of them."""
    every = sorted(known)
    near = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"{what}: nothing is called {name!r}.{guess} Known: {', '.join(every) or 'none'}.")
