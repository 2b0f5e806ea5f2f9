"""A model's own plans: what its `plans.toml` says in place of the papers' numbers, a table a method. No torch.

A paper's numbers suit the model that it had. What another model needs is data of that model and lies beside its
weights, outside of their hash:

    [esd]                  # a method
    steps = 240            # in place of the paper's; all that is not said is as in the paper
    run = { steps = 20 }   # of how latents are sampled this alone
    [esd.shared]           # on top where several concepts are learnt together
    steps = 480

A recipe's key holds the digest of the tables that its method reads, unless they are those of `FIRST`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dumo_bench.errors import UserError
from dumo_bench.fields import checked
from dumo_bench.types import canonical, digest

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

P = TypeVar("P", bound="DataclassInstance")
V = TypeVar("V")
Plans: TypeAlias = Mapping[str, Mapping[str, Any]]

FILE, SHARED = "plans.toml", "shared"
ATTACKS = "attacks"  # a table of tables: [attacks.unlearndiff] is of an attack, no method reads it
#: hash of a model -> digests of the tables that its first edits were made with: their keys do not say them
FIRST: Mapping[str, Mapping[str, str]] = {
    "86f4a9ce19cb9f6b107fc4a7d9ceee46df7deca4aae8d9c62f14d2a46d27f949": {  # emoji-sd
        "dumo": "64e630ed96cd9ad2ebecdff3520c0219eebfc5eb3b0ce134396c0ea86f56e106",
        "esd": "9ef996a871980ec37f69f824e4e02e338078fcc8af053bc987670a3930ceae28",
        "linear": "8b32f91a721b70fae467f5280cad5c288c11ffbdfc156d23ead3be4a4a6a4423",
        "receler": "d8a7385d9cf9f724d8203889a77f69c8c90dad048a80806ef5f5087e00a79c72",
    },
}


def read(folder: Path) -> Plans:
    """The tables of a model's folder; none where it has no such file. UserError where they cannot be read."""
    place = folder / FILE
    try:
        found = tomllib.loads(place.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{place} cannot be read: {error}") from error
    _plain(found, place)
    if loose := [name for name, table in found.items() if not isinstance(table, dict)]:
        raise UserError(f"{place}: {loose[0]!r} stands above all tables: put it below a method, as in [esd]")
    return found


def _plain(found: Any, place: Path) -> None:
    """Refuse what is neither a number nor a text, a date for one: a digest cannot be made of it."""
    try:
        canonical(found)
    except TypeError as error:
        raise UserError(f"{place}: wanted numbers, texts and tables of them, got {error}") from error


def of(plans: Mapping[str, V], names: Iterable[str]) -> dict[str, V]:
    """The tables of these names, where there are any."""
    return {name: plans[name] for name in sorted(names) if name in plans}


def key(plans: Plans, names: Iterable[str], model: str) -> str:
    """What a recipe says of the tables that its method reads: their digest, or "" where they are the model's first.

    model: the hash of its weights.
    """
    own, first = of(plans, names), of(FIRST.get(model, {}), names)
    return "" if {name: digest(table) for name, table in own.items()} == first else digest(own)[:12]


def plan(plans: Plans, name: str, paper: P, concepts: int = 1, **settings: Any) -> P:
    """The paper's plan with the model's own numbers, then with the settings that a user gave, those not None.

    concepts: how many are learnt together. UserError where a table does not fit the paper's plan.
    """
    table = dict(plans.get(name, {}))
    shared = table.pop(SHARED, {})
    usual = _with(paper, table, name)
    together = _with(usual, shared, f"{name}.{SHARED}")
    return replace(together if concepts > 1 else usual, **{k: v for k, v in settings.items() if v is not None})


def _with(plan: P, table: Any, name: str) -> P:
    """The plan with the values of a table; a table within is of a plan within."""
    if not isinstance(table, Mapping):
        raise UserError(f"{FILE}: {name} takes a table, got {table!r}")
    inner = {word for word in table if is_dataclass(getattr(plan, word, None))}
    made = checked(f"{FILE}: [{name}]", type(plan), {k: v for k, v in table.items() if k not in inner})
    made |= {word: _with(getattr(plan, word), table[word], f"{name}.{word}") for word in inner}
    return replace(plan, **made)
