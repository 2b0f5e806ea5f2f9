"""`list`: what can be named, and where it comes from. Imports no plugin, but for the list of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from dumo_bench import models, peek, plugins, suites
from dumo_bench.promptsets import source

What: TypeAlias = Literal["methods", "scorers", "metrics", "suites", "models"]
Line: TypeAlias = dict[str, str]
_FEW = 3  # cases that fit a line


def lines(what: What) -> list[Line]:
    """One line a name, its columns in order."""
    make: Mapping[What, Callable[[], Sequence[Line]]] = {
        "methods": lambda: _plugins("methods"),
        "scorers": lambda: _plugins("scorers"),
        "metrics": _metrics,
        "suites": _suites,
        "models": _models,
    }
    return list(make[what]())


def _plugins(kind: Literal["methods", "scorers"]) -> list[Line]:
    known = sorted(plugins.providers(kind).items())
    return [{"name": name, "about": peek.about(entry.value), "from": entry.value} for name, entry in known]


def _metrics() -> list[Line]:
    better = {True: "higher", False: "lower", None: "neither"}
    found = []
    for name in sorted(plugins.providers("scorers")):
        one = plugins.make("scorers", name)
        units = getattr(one, "units", {})  # another package's scorer may state none
        about = {"scorer": f"{name} {one.version}", "source": one.cite}
        for metric, way in one.higher_is_better.items():
            found.append({"name": metric, "unit": units.get(metric, ""), "better": better[way], **about})
    return found


def _suites() -> list[Line]:
    own = suites.own()
    return [_suite(name, own[name]) if name in own else _foreign(name) for name in suites.names()]


def _suite(name: str, one: suites.Own) -> Line:
    cases = [case.name for case in one.cases]
    listed = one.file.csv and source.find(one.file.csv.source) is None
    return {
        "name": name,
        "version": str(one.file.empty.version),
        "prompts": str(one.size),
        "cases": ", ".join(cases if len(cases) <= _FEW else [*cases[:2], f"… ({len(cases)})"]),
        "model": one.file.empty.sampling.model,
        "missing": source.command(one.file.name) if listed else "",
    }


def _foreign(name: str) -> Line:
    about = {"cases": plugins.providers("suites")[name].value, "model": "", "missing": ""}
    return {"name": name, "version": "", "prompts": "", **about}


def _models() -> list[Line]:
    return [{"name": m.name, "about": m.about, "licence": m.licence} for m in models.KNOWN]
