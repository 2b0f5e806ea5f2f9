"""What a results folder used and what each part asks to be cited. Nothing that its files name by path is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dumo_bench.citation import Paper
from dumo_bench.errors import UserError
from dumo_bench.plugins import loading, static
from dumo_bench.run import manifest
from dumo_bench.suites import registry


class Used(NamedTuple):
    """A method, suite or scorer of a run. papers: None where it is no longer there, or lies in a file of its own."""

    what: str
    name: str
    papers: tuple[Paper, ...] | None


def used(out: Path) -> list[Used]:
    """Every method, suite and scorer of the runs of a results folder, each once, in order."""
    if not (out / "runs").is_dir():
        raise UserError(f"{out}: it has no runs: wanted a results folder")
    look: Mapping[str, Callable[[str], tuple[Paper, ...]]] = {
        "method": static.papers,
        "scorer": lambda spec: tuple(loading.load("scorers", spec.partition("@")[0]).papers),
        "suite": lambda spec: registry.from_data(spec).papers,
    }
    named = sorted({one for entry in manifest.read_all(out) for one in _named(entry)})
    return [Used(what, name, _papers(look[what], what, name)) for what, name in named]


def _named(entry: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What a manifest names, as it was typed."""
    wish, scorers = entry["wish"], entry.get("scorers", ())
    assert isinstance(wish, Mapping) and isinstance(scorers, (list, tuple))  # as `manifest_fields` has it
    yield "suite", str(wish["suite"])
    yield from (("scorer", str(name)) for name in scorers)
    if method := wish.get("method") or entry.get("method"):
        yield "method", str(method)


def _papers(look: Callable[[str], tuple[Paper, ...]], what: str, name: str) -> tuple[Paper, ...] | None:
    if what != "suite" and ":" in name.partition("@")[0]:
        return None  # code beside the results is not run for its citation
    try:
        return look(name)
    except UserError:
        return None
