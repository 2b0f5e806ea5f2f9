"""`list`: what can be named, and where it comes from. Imports no plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from dumo_bench import models, peek, plugins, suites

What: TypeAlias = Literal["methods", "scorers", "suites", "models"]
Line: TypeAlias = dict[str, str]


def lines(what: What) -> list[Line]:
    """One line a name, its columns in order."""
    make: Mapping[What, Callable[[], Sequence[Line]]] = {
        "methods": lambda: _plugins("methods"),
        "scorers": lambda: _plugins("scorers"),
        "suites": _suites,
        "models": _models,
    }
    return list(make[what]())


def _plugins(kind: Literal["methods", "scorers"]) -> list[Line]:
    known = sorted(plugins.providers(kind).items())
    return [{"name": name, "about": peek.about(entry.value), "from": entry.value} for name, entry in known]


def _suites() -> list[Line]:
    own = {path.stem for path in suites.folder().glob("*.toml")}
    return [_suite(name) if name in own else _foreign(name) for name in suites.names()]


def _suite(name: str) -> Line:
    suite = suites.load(name)
    return {
        "name": name,
        "version": str(suite.version),
        "prompts": str(len(suite.prompts)),
        "cases": ", ".join(case.name for case in suite.cases),
        "model": suite.sampling.model,
    }


def _foreign(name: str) -> Line:
    return {"name": name, "version": "", "prompts": "", "cases": plugins.providers("suites")[name].value, "model": ""}


def _models() -> list[Line]:
    return [{"name": m.name, "about": m.about, "licence": m.licence} for m in models.KNOWN]
