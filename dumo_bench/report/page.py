"""The report as one HTML file: nothing outside it is loaded, and every text is escaped."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.errors import UserError
from dumo_bench.report import captions, coverage, figures, gallery, scale
from dumo_bench.report.cells import CaseTables
from dumo_bench.report.details import Detail, concepts, details, heads
from dumo_bench.report.scale import Scale
from dumo_bench.report.variants import variants
from dumo_bench.storage import copies
from dumo_bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Frames(NamedTuple):
    """The tables a page is made from."""

    scores: pl.DataFrame
    summary: pd.DataFrame
    metrics: Catalogue


@dataclass(frozen=True, slots=True)
class Map:
    """A TLMO heat map, an SVG as a data URI."""

    title: str
    uri: str


@dataclass(frozen=True, slots=True)
class Section:
    """A case with everything the page shows of it."""

    tables: CaseTables
    grids: Sequence[gallery.Grid]
    maps: Sequence[Map]
    costs: str  # what erasing costs, an SVG as a data URI, or nothing
    methods: Mapping[str, str]  # label -> hyperparameters
    details: Sequence[Detail]
    heads: Sequence[str] = ()  # above the cells of concepts
    concepts: Sequence[Detail] = ()


def section(tables: CaseTables, frames: Frames, out: Path, texts: Mapping[str, str] | None, costs: str) -> Section:
    """The page's part on one case, from the tables and from the pictures and edits in `out`; `costs` as SVG, or ""."""
    import polars as pl

    of_suite = (pl.col("suite") == tables.suite) & (pl.col("suite_version") == tables.version)
    rows, means = frames.scores.filter(of_suite & (pl.col("case") == tables.case)), _of_case(frames.summary, tables)
    labels = variants(means)
    methods = {str(label): f"version {key[1]}, {key[2]}, fit seed {key[3]}" for key, label in labels.items()}
    shown = gallery.grids(rows, out, texts, frames.metrics), _maps(rows, out), _svg_uri(costs) if costs else ""
    found = details(means, frames.metrics), heads(labels), concepts(means, frames.metrics)
    return Section(tables, *shown, methods, *found)


def _of_case(frame: pd.DataFrame, case: CaseTables) -> pd.DataFrame:
    of_suite = (frame["suite"] == case.suite) & (frame["suite_version"] == case.version)
    return frame[of_suite & (frame["case"] == case.case)]


def render(sections: Sequence[Section], scales: Sequence[tuple[Scale, str]] = ()) -> str:
    """The page. scales: suites whose cases grow, each with its figure as SVG."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dumo_bench", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    grown = [(one, scale.lines(one), _svg_uri(svg)) for one, svg in scales]
    told = {"words": captions, "coverage": coverage, "scales": grown, "heads": scale.HEADS}
    found: str = environment.get_template("page.html.j2").render(sections=sections, **told)
    return found + "\n"


def _maps(rows: pl.DataFrame, out: Path) -> list[Map]:
    found = []
    for label, recipe in gallery.recipes(rows).items():
        path = Store(out).edit_path(recipe)
        groups = _groups(out, recipe)
        for name, scales in figures.read_tlmo(copies.local(path)).items():
            number = int(name.removeprefix("tlmo."))
            title = f"{label}: {', '.join(groups[number]) if number < len(groups) else name}"
            found.append(Map(title, _svg_uri(figures.tlmo(scales, title))))
    return found


def _groups(out: Path, recipe: Any) -> list[list[str]]:
    """The concepts of each table of an edit, as its header tells them."""
    try:
        found = Store(out).edit_header(recipe).get("groups", [])
    except UserError:
        return []
    told = isinstance(found, list) and all(isinstance(group, list) for group in found)
    return [[str(concept) for concept in group] for group in found] if told else []


def _svg_uri(svg: str) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
