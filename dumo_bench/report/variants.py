"""The rows of a report: what tells one method's row from another's, as values."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dumo_bench.analysis.recognition import REFERENCE
from dumo_bench.types import BASE, SHOWN

if TYPE_CHECKING:
    import pandas as pd

Key: TypeAlias = tuple[Any, ...]  # the values of VARIANT
VARIANT = ("method", "method_version", "params", "fit_seed", "model", "sampling")
KIN = tuple(name for name in VARIANT if name != "fit_seed")  # what the fits of one method have in common
_TELLS = {"method_version": "version", "fit_seed": "seed", "model": "model", "sampling": "contract"}


class Told(NamedTuple):
    """One thing that tells a row from its method's others: a setting, or a version, seed, model, contract."""

    name: str
    value: str
    setting: bool = True

    @property
    def is_seed(self) -> bool:
        return self.name == "seed" and not self.setting

    def __str__(self) -> str:
        return f"{self.name}={self.value}" if self.setting else f"{self.name} {self.value}"


@dataclass(frozen=True, slots=True)
class Label:
    """What a row is called. `fits`: how many training seeds it is of."""

    method: str
    told: tuple[Told, ...] = ()
    fits: int = 1

    def __str__(self) -> str:
        text = f"{self.method} ({', '.join(map(str, self.told))})" if self.told else self.method
        return text if self.fits == 1 else f"{text}, {self.fits} fits"


def together(labels: Sequence[Label]) -> Label:
    """What the fits of one method are called together: "esd (variant=x), 2 fits"."""
    first = labels[0]
    if len(labels) == 1:
        return first
    return replace(first, told=tuple(told for told in first.told if not told.is_seed), fits=len(labels))


def variants(rows: pd.DataFrame) -> dict[Key, Label]:
    """A label for every (method, version, params, fit seed, model, contract): the original first, then by name."""
    return labels(distinct(rows, *VARIANT))


def labels(keys: Iterable[Key]) -> dict[Key, Label]:
    """The same of keys, which are as those of `variants`."""
    keys = sorted(set(keys), key=lambda key: (key[0] != REFERENCE, *map(_natural, key)))
    return {key: _label(key, [other for other in keys if other[0] == key[0]]) for key in keys}


def _number(value: float) -> str:
    """As short as it can be without being another number."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def distinct(rows: pd.DataFrame, *names: str) -> list[Key]:
    """The combinations of values that occur in these columns, sorted."""
    return sorted(set(rows[list(names)].drop_duplicates().itertuples(index=False, name=None)))


def _natural(value: Any) -> tuple[tuple[str, float], ...]:
    """What a part of a variant is sorted by: 30 before 240, a setting's own value (null) after what was set."""
    parts = re.split(r"(\d+(?:\.\d+)?)", str(value).replace("null", "~"))
    return tuple((word, float(number or 0)) for word, number in zip_longest(parts[::2], parts[1::2], fillvalue=""))


def _label(key: Key, alike: Sequence[Key]) -> Label:
    """The method's name, with what tells it from the other variants, and what it always shows.

    A setting left to the method is not said.
    """
    mine, others = json.loads(key[2]), [json.loads(other[2]) for other in alike]
    always = mine.pop(SHOWN, "").split()
    known = {k: v for k, v in sorted(mine.items()) if v is not None}

    def differs(name: str, other: Mapping[str, Any]) -> bool:
        said = name == BASE and any(other.get(k) != mine.get(k) for k in ("of", "of_set"))
        return not said and other.get(name) != mine[name]

    apart = {k: v for k, v in known.items() if k in always or any(differs(k, other) for other in others)}
    told = [Told(k, _number(v) if isinstance(v, float) else str(v)) for k, v in apart.items()]
    for column, word in _TELLS.items():
        at = VARIANT.index(column)
        if len({other[at] for other in alike}) > 1:
            told.append(Told(word, str(key[at])[:8] if column == "model" else str(key[at]), setting=False))
    return Label(key[0], tuple(told))
