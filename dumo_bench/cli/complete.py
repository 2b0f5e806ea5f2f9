"""What a shell completes options with: names, found without importing what they name."""

from __future__ import annotations

from collections.abc import Iterable

import typer


def methods(incomplete: str) -> list[str]:
    """Names of methods."""
    from dumo_bench.plugins import loading

    return _that_begin(loading.names("methods"), incomplete)


def suites(incomplete: str) -> list[str]:
    """Names of suites."""
    from dumo_bench.suites import registry

    return _that_begin(registry.names(), incomplete)


def models(incomplete: str) -> list[str]:
    """Names of models."""
    from dumo_bench.hosts import models as known

    return _that_begin(known.names(), incomplete)


def scorers(incomplete: str) -> list[str]:
    """Names of scorers; what stands before the last comma stays."""
    from dumo_bench.plugins import loading

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _that_begin(("default", *loading.names("scorers")), last)]


def cases(context: typer.Context, incomplete: str) -> list[str]:
    """Cases of the suite that was typed before."""
    from dumo_bench.suites import registry

    own = registry.own().get(context.params.get("suite") or "")
    return _that_begin((case.name for case in own.cases), incomplete) if own else []


def tables(incomplete: str) -> list[str]:
    """Tables of a paper."""
    from dumo_bench.report import shapes

    return _that_begin((*shapes.SHAPES, "legend"), incomplete)


def papers(incomplete: str) -> list[str]:
    """Papers that a table can be made to fit."""
    from dumo_bench.report import layout

    return _that_begin(layout.PAPERS, incomplete)


def reproduced(incomplete: str) -> list[str]:
    """Papers whose tables can be run again."""
    from dumo_bench import papers

    return _that_begin(papers.names(), incomplete)


def figures(incomplete: str) -> list[str]:
    """Figures of a paper."""
    from dumo_bench.report.plots import drawings

    return _that_begin(drawings.DRAWINGS, incomplete)


def _that_begin(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
