"""Two methods of a folder, or two folders, held against each other: what lies beside their scores is read here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.analysis import diff
from dumo_bench.analysis.diff import Diff, Known
from dumo_bench.errors import UserError
from dumo_bench.run import manifest
from dumo_bench.storage import checksums, remote

if TYPE_CHECKING:
    import pandas as pd

    from dumo_bench.analysis.sides import Side


def differ(a: str, b: str, out: Path) -> Mapping[str, Diff]:
    """What differs, by what is held against what: "uce:ridge=50 -> uce:ridge=1", or each method of two folders.

    Of one number in several units the first.
    """
    from dumo_bench.analysis.sides import shared, side

    folders = [remote.place(text) for text in (a, b)]
    full = [folder for folder in folders if (folder / "tables").is_dir()]
    if len(full) == 1:
        raise UserError(
            f"diff {a} {b}: {full[0]} is a results folder and the other one is not: give two, or two methods"
        )
    if not full:
        beside = (known(out),) * 2
        x, y = (_scores(side(spec, out)) for spec in (a, b))
        return {f"{a} -> {b}": diff.diff(x, y, beside)}
    beside = (known(folders[0]), known(folders[1]))
    sides = shared(folders[0], folders[1])
    return {one.label.partition(" in ")[0]: diff.diff(_scores(one), _scores(other), beside) for one, other in sides}


def _scores(side: Side) -> pd.DataFrame:
    copies = [name for name, one in side.metrics.by_name.items() if one.metric.copy_of]
    return side.scores[~side.scores["metric"].isin(copies)]


def known(out: Path) -> Known:
    """What lies beside the scores of a results folder."""
    runs = [run for one in manifest.read_all(out) for run in one["runs"]]
    seen: dict[str, set[str]] = {}
    for run in runs:
        for name, version in {**run.get("libraries", {}), "machine": run.get("machine", "")}.items():
            seen.setdefault(name, set()).add(str(version))
    libraries = {name: " or ".join(sorted(versions)) for name, versions in seen.items()}
    return Known(manifest.contracts(out), checksums.known(out), libraries)
