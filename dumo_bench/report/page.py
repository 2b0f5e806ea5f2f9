"""The report as one HTML file: nothing outside it is loaded, and no text of a suite or a method runs in it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.scores import Scores
from dumo_bench.errors import UserError
from dumo_bench.report import captions, coverage, figures, gallery, outcomes, page_parts, scale, verdicts
from dumo_bench.report.attack_matrix import Group, groups, matrix
from dumo_bench.report.attack_rows import Row
from dumo_bench.report.attack_verdicts import sentences
from dumo_bench.report.cells import CaseTables
from dumo_bench.report.charts import attacks as of_attacks
from dumo_bench.report.charts import of_case
from dumo_bench.report.charts.style import Chart
from dumo_bench.report.details import Detail, concepts, details, heads
from dumo_bench.report.page_parts import Gallery
from dumo_bench.report.scale import Scale
from dumo_bench.report.variants import variants
from dumo_bench.storage import copies
from dumo_bench.storage.store import Store

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


class Frames(NamedTuple):
    """The tables a page is made from; of scores who was measured."""

    scores: Scores
    summary: pd.DataFrame
    metrics: Catalogue


@dataclass(frozen=True, slots=True)
class Map:
    """A TLMO heat map, an SVG as a data URI."""

    title: str
    uri: str


@dataclass(frozen=True, slots=True)
class Section:
    """A case with all that the page shows of it. methods: label -> hyperparameters; heads: above cells of concepts;
    verdict: of the case; verdicts: of each of its methods; search: whether an attack's, which stands behind these."""

    tables: CaseTables
    methods: Mapping[str, str] = field(default_factory=dict)
    charts: Sequence[Chart] = ()
    maps: Sequence[Map] = ()
    details: Sequence[Detail] = ()
    heads: Sequence[str] = ()
    concepts: Sequence[Detail] = ()
    verdict: str = ""
    verdicts: Sequence[str] = ()
    search: bool = False


class Attacked(NamedTuple):
    """What attacks brought back: a sentence a method, charts, and of each threat model and metric attacks x methods."""

    sentences: Sequence[str]
    charts: Sequence[Chart]
    tables: Sequence[tuple[Group, Sequence[Sequence[str]]]]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a results folder holds, for the first lines. unedited: whether the unedited model's pictures are there;
    contract: how pictures were sampled, in sentences."""

    models: Sequence[str] = ()
    unedited: bool = False
    methods: Sequence[str] = ()
    scorers: Sequence[str] = ()
    pictures: int = 0
    contract: str = ""
    warnings: Sequence[str] = ()


def section(tables: CaseTables, frames: Frames, out: Path, more: of_case.More, kind: str) -> Section:
    """The page's part on one case, from the tables and from the edits in `out`; kind: of thing that it erases."""
    rows = frames.scores.of_case(tables.suite, tables.version, tables.case)
    means = _of_case(frames.summary, tables)
    labels, found = variants(means), outcomes.of(tables)
    return Section(
        tables,
        methods={str(label): f"version {key[1]}, {key[2]}, fit seed {key[3]}" for key, label in labels.items()},
        charts=of_case.charts(found, means, frames.metrics, more),
        maps=_maps(rows, out),
        details=details(means, frames.metrics),
        heads=heads(labels),
        concepts=concepts(means, frames.metrics),
        verdict=outcomes.sentence(found) if found else "No verdict: nothing was measured on its targets.",
        verdicts=[str(one) for one in verdicts.verdicts(tables, kind)],
    )


def _of_case(frame: pd.DataFrame, case: CaseTables) -> pd.DataFrame:
    own = (frame["suite"] == case.suite) & (frame["suite_version"] == case.version)
    return frame[own & (frame["case"] == case.case)]


def render(
    sections: Sequence[Section],
    scales: Iterable[tuple[Scale, str]] = (),
    attacked: Sequence[Row] = (),
    *,
    ran: Ran | None = None,
    shown: Gallery | None = None,
) -> str:
    """The page. scales: suites whose cases grow, each with its figure as SVG; attacked: what attacks brought back, of
    all cases; shown: its pictures; None: none."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("dumo_bench", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    grown = [(one, scale.lines(one), _svg_uri(svg)) for one, svg in scales]
    sections = [replace(one, search=bool(attacked) and one.tables.attacked) for one in sections]
    attacks = Attacked(
        sentences(attacked), of_attacks.charts(attacked), [(one, matrix(one.rows)) for one in groups(attacked)]
    )
    drawn = [*(one.charts for one in sections), attacks.charts]
    told = {
        "attacks": attacks, "words": captions, "coverage": coverage, "scales": grown, "heads": scale.HEADS,
        "ran": ran or Ran(),
    }  # fmt: skip
    parts = page_parts.parts([[view for chart in one for view in chart.views] for one in drawn], shown)
    found: str = environment.get_template("page.html.j2").render(sections=sections, parts=parts, **told)
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
