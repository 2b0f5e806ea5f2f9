"""What a plugin has to be. It is asked when the plugin is loaded; one line says what is wrong and what to write."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from dumo_bench.errors import UserError
from dumo_bench.interfaces import Attack, Detector, Method, Plugin, Scorer, SetScorer, problems

#: kind -> what its plugins inherit one of, found by the entry points `dumo_bench.KIND`; none: anything is taken
BASES: Mapping[str, tuple[type[Plugin], ...]] = {
    "attacks": (Attack,),
    "methods": (Method,),
    "scorers": (Scorer, SetScorer, Detector),
    "suites": (),
}

_NEAR = 0.85  # of difflib's ratio: "part" is near "parts", "paths" and "starts" are not


def check(kind: str, spec: str, thing: Any) -> None:
    """Refuse a class, or a ready-made object of one, that the program cannot use as a plugin of this kind."""
    if not BASES[kind]:
        return
    cls = thing if isinstance(thing, type) else type(thing)
    bases = [base for base in BASES[kind] if issubclass(cls, base)]
    if not bases:
        raise UserError(f"{spec}: {_stranger(thing, spec.rpartition(':')[2], BASES[kind])}")
    problem = _misspelt(cls, bases) or _missing(cls, bases) or _plain(cls) or _needs(cls)
    if problem:
        raise UserError(f"{spec}: {problem}")


def declared(spec: str, thing: Any) -> None:
    """Refuse a scorer whose metrics do not fit one another."""
    if not isinstance(thing, (Scorer, SetScorer, Detector)):
        return
    if problem := _unsaid(thing) or problems(thing.metrics, of_sets=isinstance(thing, SetScorer)):
        raise UserError(f"{spec}: {problem}")


def _unsaid(scorer: Scorer | SetScorer | Detector) -> str:
    """About what a scorer says of itself in another type than text, or of a field that it has not."""
    said = {"name": scorer.name, "version": scorer.version, "cite": scorer.cite, "takes": scorer.takes}
    for name, text in said.items():
        if not isinstance(text, str):
            return f"{name} has to be a text, got {text!r}"
    fields = [field.name for field in dataclasses.fields(scorer)]  # type: ignore[arg-type]
    if scorer.takes and scorer.takes not in fields:
        return f"takes={scorer.takes!r} is none of its fields: {', '.join(fields) or 'it has none'}"
    return ""


def hooks(base: type) -> set[str]:
    """The public names that a class of `interfaces` has, or asks its heirs for."""
    every = {name for cls in base.__mro__ for name in (*vars(cls), *inspect.get_annotations(cls))}
    return {name for name in every if not name.startswith("_")}


def _stranger(thing: Any, name: str, bases: tuple[type[Plugin], ...]) -> str:
    """About what inherits none of the bases."""
    known, first = " or ".join(base.__name__ for base in bases), bases[0].__name__
    got = f"an object of type {type(thing).__name__}"
    if isinstance(thing, type):
        got = f"class {thing.__name__}({', '.join(base.__name__ for base in thing.__bases__)})"
    return (
        f"wanted a class that inherits {known} of dumo_bench.interfaces, got {got}: write "
        f"`from dumo_bench.interfaces import {first}` and `class {name}({first}):`"
    )


def _misspelt(cls: type, bases: list[type[Plugin]]) -> str:
    """About a public name of its own that is nearly the name of a hook that it does not have."""
    known, own = set().union(*map(hooks, bases)), _own(cls, bases)
    absent = {_bare(hook): hook for hook in sorted(known - own)}
    for name in sorted(own - known):
        near = difflib.get_close_matches(_bare(name), absent, n=1, cutoff=_NEAR)
        if near:
            hook = absent[near[0]]
            return f"{cls.__name__}.{name} is no hook. Did you mean {hook!r}? If not, give it a name less like a hook's"
    return ""


def _missing(cls: type, bases: list[type[Plugin]]) -> str:
    """About what it has to have and has not."""
    there = {*dir(cls), *_own(cls, bases)} - cls.__abstractmethods__  # type: ignore[attr-defined]
    wanted = [(base, name) for base in bases for name in sorted(hooks(base) - there)]
    lines = dict.fromkeys(_written(base, name) for base, name in wanted)
    return f"{cls.__name__} lacks {', '.join(lines)}" if lines else ""


def _plain(cls: type) -> str:
    """About a class without fields, which are its settings."""
    if dataclasses.is_dataclass(cls):
        return ""
    return f"{cls.__name__} is no dataclass, and its settings are its fields: write `@dataclass(frozen=True)` above it"


def _needs(cls: type) -> str:
    """About a method whose kinds or needs are no set, or its tables no tuple: a text would be read by letters; and
    about settings that do not act when it says they do."""
    if not issubclass(cls, Method):
        return ""
    for name, example in (("kinds", "sd"), ("needs", "unet")):
        if not isinstance(found := vars(cls).get(name, frozenset()), (set, frozenset)):
            return f'{name} has to be a set, frozenset({{"{example}"}}), got {found!r}'
    if not isinstance(cls.tables, tuple):
        return f'tables has to be a tuple, ("mine",), got {cls.tables!r}'
    return _after_fit(cls)


def _after_fit(cls: type[Method]) -> str:
    """About settings that are said to act after a fit and cannot, or that nothing reads there."""
    known = {one.name: one for one in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if not isinstance(found := cls.after_fit, (set, frozenset)):
        return f'after_fit has to be a set, frozenset({{"strength"}}), got {found!r}'
    if odd := sorted(set(found) - known.keys()):
        return f"after_fit names {odd[0]!r}, which is none of its fields: {', '.join(known) or 'it has none'}"
    if bare := sorted(name for name in found if known[name].default is dataclasses.MISSING):
        return f"after_fit names {bare[0]!r}, which has no default: what is learnt is learnt at the defaults"
    if found and cls.finished is Method.finished and cls.apply is Method.apply:
        return "after_fit has settings, but neither `finished` nor `apply` is written, which would read them"
    return ""


def _own(cls: type, bases: list[type[Plugin]]) -> set[str]:
    """The public names that a class and its own ancestors add to what they inherit."""
    ours = {one for base in bases for one in base.__mro__}
    fields = [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []
    every = {name for one in cls.__mro__ if one not in ours for name in vars(one)}
    return {name for name in (*every, *fields) if not name.startswith("_")}


def _written(base: type, name: str) -> str:
    """How a hook is written down: `cite: ClassVar[str] = ...`, `def fit(self, host, erase, *, seed)`."""
    hints = {key: hint for cls in base.__mro__ for key, hint in inspect.get_annotations(cls).items()}
    hook = inspect.getattr_static(base, name, None)
    if name in hints:
        return f"`{name}: {hints[name]} = ...`"
    if not inspect.isfunction(hook):
        return f"`@property def {name}(self)`"
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(hook).parameters.values()]
    return f"`def {name}{inspect.Signature(bare)}`"


def _bare(name: str) -> str:
    """What two spellings of one name have in common."""
    return name.replace("_", "").lower()
