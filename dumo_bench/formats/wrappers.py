"""Names around a model's own: torch.compile's `_orig_mod.`, DataParallel's `module.`, and averages of weights (EMA)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dumo_bench.errors import UserError

COMPILED, PARALLEL = "_orig_mod.", "module."
_EMA = re.compile(r"^(?:\w+_ema|ema|ema_\w+)\.")
_OUTER = re.compile(rf"^((?:unet|text_encoder)\.)?{re.escape(PARALLEL)}")
#: what keepers of averages write beside them
_COUNTERS = frozenset({"decay", "num_updates", "initted", "step", "optimization_step"})


def unwrapped(path: Path, held: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same values under the model's own names, and what was taken off; a UserError if two then have one name.

    A file of averages alone is taken for the weights; beside the weights that they are averages of, it is refused.
    """
    averages = _averages(path, held)
    found = dict(held) if averages is None else averages
    notes = [] if averages is None else ["averages of weights (EMA)"]
    if any(COMPILED in name for name in found):
        found = _renamed(path, found, lambda name: name.replace(COMPILED, ""))
        notes.append(f"{COMPILED} taken off the names")
    if found and all(_OUTER.match(name) for name in found):
        found = _renamed(path, found, lambda name: _OUTER.sub(r"\1", name))
        notes.append(f"{PARALLEL} taken off the names")
    return found, tuple(notes)


def _averages(path: Path, held: Mapping[str, Any]) -> dict[str, Any] | None:
    """The averages of a file that holds nothing else, under their own names; None where there are none."""
    twins = [name for name in held if _EMA.match(name)]
    if not twins:
        return None
    rest = [name for name in held if not _EMA.match(name) and name not in _COUNTERS]
    if rest:
        first = _EMA.match(twins[0])
        raise UserError(
            f"{path}: holds {len(rest)} tensors and beside them {len(twins)} averages (EMA, "
            f"{first[0] if first else ''}*): wanted one of the two; save it in a file of its own"
        )
    own = {name: value for name, value in held.items() if _EMA.sub("", name) not in _COUNTERS and name not in _COUNTERS}
    return _renamed(path, own, lambda name: _EMA.sub("", name))


def _renamed(path: Path, held: Mapping[str, Any], rename: Callable[[str], str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in held.items():
        if rename(name) in out:
            raise UserError(f"{path}: {name} and another tensor are both {rename(name)}: wanted one set of weights")
        out[rename(name)] = value
    return out
