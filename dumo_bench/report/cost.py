"""What methods cost, as columns: seconds of the fit, size of the edit, seconds a picture, as the runs noted them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from dumo_bench.report.cells import CaseTables, Cell, Panel, Shown
from dumo_bench.report.variants import Label
from dumo_bench.types import canonical

Run: TypeAlias = Mapping[str, Any]  # a manifest
HEADS = ("fit (s)", "edit (MB)", "a picture (s)")


def case(of: CaseTables, runs: Sequence[Run]) -> CaseTables:
    """A case with one panel, of what its erasers cost; without any where no run noted a number."""
    own = [run for run in runs if (run["suite"], run["suite_version"]) == (of.suite, of.version)]
    labels = next((panel.labels for panel in of.panels if len(panel.labels) == len(of.kin)), ())
    costs = [_costs(of.case, kin, label, own) for kin, label in zip(of.kin, labels, strict=False)]
    columns = [_column(head, values) for head, *values in zip(HEADS, *costs, strict=True)]
    shown = tuple(column for column in columns if any(cell.measured for cell in column.cells))
    return replace(of, panels=(Panel("", labels, shown),) if shown else ())


def _column(head: str, values: Iterable[float | None]) -> Shown:
    cells = tuple(Cell(note="not noted") if value is None else Cell(value, measured=True) for value in values)
    return Shown(head, "", "", False, 2 if head == HEADS[-1] else 1, 0, 0, cells)


def _costs(
    name: str, kin: Sequence[Any], label: Label, runs: Iterable[Run]
) -> tuple[float | None, float | None, float | None]:
    """Of the runs of one recipe on a case, and of one fit where the row says which."""
    mine = [run for run in runs if name in run.get("recipes", {}) and is_of(run["recipes"][name], kin, label)]
    noted = [run.get("edits", {}).get(name, {}) for run in mine]
    spent = [one for run in mine if run.get("sampling", {}).get("key", kin[4]) == kin[4] for one in run["runs"]]
    alone = [
        one["fit_seconds"] for run in mine if len(run["recipes"]) == 1 for one in run["runs"] if one.get("edits_made")
    ]
    fit = next((one["seconds"] for one in noted if one.get("seconds") is not None), next(iter(alone), None))
    size = next((one["bytes"] / 1e6 for one in noted if one.get("bytes") is not None), None)
    made = sum(one.get("made", 0) for one in spent)
    return fit, size, sum(one["generate_seconds"] for one in spent if one.get("made")) / made if made else None


def is_of(recipe: Mapping[str, Any], kin: Sequence[Any], label: Label) -> bool:
    """Whether a recipe is a row's: by method, version, settings and model, and by the seed of the fit that it says."""
    own = recipe["method"], recipe["version"], canonical(recipe["params"]), recipe["model"]
    seeds = {told.value for told in label.told if told.is_seed}
    return own == tuple(kin[:4]) and (not seeds or str(recipe["fit_seed"]) in seeds)
