"""From tables to text: LaTeX, Markdown, CSV, a page, a terminal. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.analysis import attacks, catalogue, curves, kinds, results, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.coverage import sizes
from dumo_bench.errors import UserError
from dumo_bench.report import (
    attacked,
    blocks,
    build,
    compose,
    contract,
    coverage,
    figures,
    gallery,
    latex,
    layout,
    markdown,
    page,
    paired,
    scale,
    sheet,
    tradeoff,
)
from dumo_bench.report.cells import CaseTables
from dumo_bench.report.tables import Table
from dumo_bench.run import manifest
from dumo_bench.storage import files, table
from dumo_bench.storage.names import plain as file_name
from dumo_bench.texts import plain
from dumo_bench.types import Suite

if TYPE_CHECKING:
    import pandas as pd


class Folder(NamedTuple):
    """What lies in a results folder: its place, its summary, what its metrics are, how its pictures were sampled."""

    out: Path
    summary: pd.DataFrame
    metrics: Catalogue
    contracts: contract.Contracts


def read(out: Path) -> Folder:
    """A results folder; one without numbers is refused."""
    refusals = manifest.not_applicable(out)
    if refusals and not summary.place(out).exists():
        said = "; ".join(f"{one.suite}, {one.case}: {one.method}: n/a, {one.reason}" for one in refusals)
        raise UserError(f"{out} holds no numbers, only what a model cannot run ({said})")
    return Folder(out, summary.read(out), catalogue.of_folder(out), manifest.contracts(out))


def cases(
    folder: Folder, suites: Mapping[str, Suite] | None = None, only: Callable[[CaseTables], bool] = lambda case: True
) -> list[CaseTables]:
    """The tables of a results folder, of `only` some cases. `suites`, by name, tell what a case erases."""
    every, (out, _, metrics, _) = list((suites or {}).values()), folder
    found = build.build(_sources(folder, every))
    if not found:
        raise UserError(f"{out / 'summary.parquet'} holds no row: `dumo-bench run` into {out} fills it")
    told = paired.tested(list(filter(only, found)), results.columns(out, paired.COLUMNS), metrics)
    warned = " ".join(f"{line}." for line in results.said(out))
    whole = [replace(case, contract=" ".join(filter(None, (case.contract, warned)))) for case in told]
    return [build.refused(case, _reasons(out, case)) for case in whole]


def _sources(folder: Folder, suites: Sequence[Suite]) -> build.Sources:
    erases = kinds.of_rows(folder.summary) | kinds.of_suites(suites)
    return build.Sources(folder.summary, folder.metrics, erases, sizes(suites), folder.contracts)


def measured(folder: Folder, suites: Mapping[str, Suite]) -> blocks.Measured:
    """What tables and figures of a paper are made from."""
    out, scores = folder.out, results.columns(folder.out, paired.COLUMNS)
    sources, runs = _sources(folder, list(suites.values())), manifest.read_all(out)
    return blocks.Measured(sources, scores, suites, partial(_reasons, out), runs)


def composed(folder: Folder, suites: Mapping[str, Suite], asked: compose.Asked) -> Table:
    """A table of a known shape, from what lies in a results folder."""
    return compose.make(asked, measured(folder, suites))


def rendered(table: Table, ending: str, form: layout.Form) -> str:
    """A table as the text of a file with this ending: .tex, .md or .csv."""
    if ending == ".tex":
        return f"{latex.PACKAGES}\n{latex.render(table, form)}"
    return {".md": markdown.of_table, ".csv": sheet.csv}[ending](table)


def legend(folder: Folder, suites: Mapping[str, Suite]) -> str:
    """What holds for all tables of a results folder, as LaTeX."""
    return latex.legend(build.build(_sources(folder, list(suites.values()))))


def _reasons(out: Path, case: CaseTables) -> dict[str, str]:
    """Which methods the model of a case cannot run, and why."""
    of = (case.suite, case.case)
    return {one.method: one.reason for one in manifest.not_applicable(out) if (one.suite, one.case) == of}


def write(
    folder: Folder, suites: Mapping[str, Suite] | None = None, shown: Sequence[CaseTables] | None = None
) -> list[Path]:
    """Write the report into a results folder, from what lies there: report.tex, report.html, report.md, report.csv,
    costs-*.svg, scale-*.svg, relearn-*.svg where there are curves to draw, and of attacks attacks.md and attacks.csv.

    Prompts of a suite that is explicit, or not among `suites`, are named by their ids and their pictures blurred.
    `shown`: its `cases`, where they are known already.
    """
    shown, out = cases(folder, suites) if shown is None else shown, folder.out
    frames = page.Frames(results.columns(out, gallery.COLUMNS), folder.summary, folder.metrics)
    texts = {name: prompt_texts(suite) for name, suite in (suites or {}).items()}
    drawn = [costs(case) for case in shown]
    sections = [
        page.section(case, frames, out, texts.get(case.suite), svg) for case, svg in zip(shown, drawn, strict=True)
    ]
    grown = [
        (one, figures.scale(one)) for one in scale.scales(shown, manifest.read_all(out), kinds.of_rows(folder.summary))
    ]
    return [
        _written(out / "report.tex", latex.document(shown)),
        _written(out / "report.html", page.render(sections, grown)),
        _written(out / "report.md", markdown.document(shown, [one for one, _ in grown])),
        _written(out / "report.csv", sheet.report(shown)),
        *_attacks(folder, suites or {}),
        *relearning(folder),
        *(_written(out / f"costs-{latex.label(case)}.svg", svg) for case, svg in zip(shown, drawn, strict=True) if svg),
        *(_written(out / f"scale-{file_name(one.suite)}.svg", svg) for one, svg in grown),
    ]


def _attacks(folder: Folder, suites: Mapping[str, Suite]) -> list[Path]:
    """attacks.md and attacks.csv, where suites that attacks wrote were measured."""
    out, found = folder.out, attacks.of_folder(folder.out, folder.metrics, suites.values())
    if not found:
        return []
    return [
        _written(out / "attacks.md", attacked.document(found)),
        _written(out / "attacks.csv", attacked.table(found)),
    ]


def relearning(folder: Folder) -> list[Path]:
    """Write relearn-*.svg into a results folder: each case's rates over steps of fine-tuning."""
    every = curves.read(folder.summary, folder.metrics)
    groups: dict[tuple[str, str], list[curves.Curve]] = {}
    for curve in every:
        groups.setdefault((curve.suite, curve.case), []).append(curve)
    return [
        _written(folder.out / f"relearn-{file_name('-'.join(key))}.svg", figures.over_steps(own, ", ".join(key)))
        for key, own in groups.items()
    ]


def _written(path: Path, text: str) -> Path:
    """Whatever a writer let through, nothing that acts on a terminal or turns the text is in a file."""
    return files.write_text(path, plain(text))


def rows(folder: Folder) -> list[dict[str, Any]]:
    """The rows of a summary as values, each with what its metric is called in tables and its sampling contract in
    words; where a value is null, `reasons` says why."""
    _, means, metrics, contracts = folder
    told = {key: contract.said(key, contracts) for key in means["sampling"].unique()}
    named = (
        {**row, "title": metrics.of(row).metric.header, "contract": told[row["sampling"]]}
        for row in table.records(means)
    )
    return [{**row, "reasons": _reasons_of(row)} for row in named]


def _reasons_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Why the numbers of a row of the summary are null."""
    why = {
        "value": row["note"] or row["how"],
        **dict.fromkeys(("low", "high"), row["how"] or "it has no interval"),
        **dict.fromkeys(("expected", "partial"), "how large the suite is is not known"),
    }
    return {name: why.get(name) or "not recorded" for name, value in row.items() if value is None}


def costs(case: CaseTables) -> str:
    """What erasing costs, as SVG; nothing where there are not settings enough to draw a curve."""
    found = tradeoff.curves(case)
    title = "\n".join(filter(None, (case.title, coverage.short(case.coverage))))
    return figures.tradeoff(found, title) if found else ""


def prompt_texts(suite: Suite) -> dict[str, str] | None:
    """The texts of a suite by prompt id, or None when they are not to be shown."""
    return None if suite.explicit else {prompt.id: prompt.text for prompt in suite.prompts}


__all__: Sequence[str] = [
    "Folder",
    "cases",
    "composed",
    "legend",
    "measured",
    "prompt_texts",
    "read",
    "rendered",
    "rows",
    "write",
]
