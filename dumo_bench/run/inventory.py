"""What can be named, and where it comes from. Imports no plugin, but for the lists of metrics and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias

from dumo_bench.errors import UserError
from dumo_bench.hosts import models
from dumo_bench.plugins import loading, static
from dumo_bench.suites import registry, source
from dumo_bench.types import Metric

What: TypeAlias = Literal["methods", "scorers", "metrics", "weights", "suites", "models", "attacks"]
Line: TypeAlias = dict[str, str]
_FEW = 3  # cases that fit a line


def lines(what: What) -> list[Line]:
    """One line a name, its columns in order."""
    make: Mapping[What, Callable[[], Sequence[Line]]] = {
        "methods": lambda: _plugins("methods"),
        "scorers": lambda: _plugins("scorers"),
        "metrics": _metrics,
        "weights": _weights,
        "suites": _suites,
        "models": _models,
        "attacks": _attacks,
    }
    return list(make[what]())


def _plugins(kind: Literal["methods", "scorers", "attacks"]) -> list[Line]:
    known = sorted(loading.providers(kind).items())
    return [{"name": name, "about": static.about(entry.value), "from": entry.value} for name, entry in known]


def _attacks() -> list[Line]:
    """Each with its threat model."""
    return [
        {"name": line["name"], "sees": _sees(line), "about": line["about"], "from": line["from"]}
        for line in _plugins("attacks")
    ]


def _sees(line: Line) -> str:
    """From the attack's source wherever that says it, so that its code and what that needs are not imported."""
    found: str = static.said(line["from"], "sees") or loading.load("attacks", line["name"]).sees
    return found


def _metrics() -> list[Line]:
    made = {name: loading.make("scorers", name) for name in sorted(loading.providers("scorers"))}
    return [_metric(metric, f"{name} {one.version}", one.cite) for name, one in made.items() for metric in one.metrics]


def _metric(metric: Metric, scorer: str, source: str) -> Line:
    """`better`: on prompts that are to be kept and on sets; `on targets`: where a concept of that kind is to go."""
    of = f" ({metric.sees} erased)" if metric.sees else ""
    return {
        "name": metric.name,
        "unit": metric.unit,
        "better": metric.better,
        "on targets": metric.way("target", metric.sees) + of,
        "kind": metric.kind,
        "scorer": scorer,
        "source": source,
    }


def _weights() -> list[Line]:
    """What each scorer needs beside pictures, and whether it is here or what to type to get it."""
    return [_needed(name) for name in sorted(loading.providers("scorers"))]


def _needed(name: str) -> Line:
    try:
        one = loading.make("scorers", name)
        problem = one.missing_weights()
        label = "" if problem else one.label
        found = problem or ("present" if label else "needs none")
    except (UserError, ImportError) as error:  # one that cannot be made does not hide the others
        label, found = "", str(error)
    return {"name": name, "weights": label, "state": found}


def _suites() -> list[Line]:
    own = registry.own()
    return [_suite(name, own[name]) if name in own else _foreign(name) for name in registry.names()]


def _suite(name: str, one: registry.Own) -> Line:
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
    about = {"cases": loading.providers("suites")[name].value, "model": "", "missing": ""}
    return {"name": name, "version": "", "prompts": "", **about}


def _models() -> list[Line]:
    return [{"name": m.name, "about": m.about, "licence": m.licence} for m in models.KNOWN]
