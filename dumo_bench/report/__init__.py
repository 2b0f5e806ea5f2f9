"""From tables to text: LaTeX, Markdown, CSV, a page, a terminal. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dumo_bench.analysis import attacks, catalogue, curves, kinds, results, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.coverage import sizes
from dumo_bench.errors import UserError
from dumo_bench.report import (
    attack_rows,
    attack_verdicts,
    attacked,
    blocks,
    build,
    compose,
    contract,
    coverage,
    figures,
    folder_page,
    latex,
    layout,
    markdown,
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
    folder: Folder, suites: Mapping[str, Suite] | None = None, only: build.Only = lambda suite, case: True
) -> list[CaseTables]:
    """The tables of a results folder, of `only` some cases; those of attacks' suites last. `suites`, by name, tell what
    a case erases."""
    every, (out, _, metrics, _) = list((suites or {}).values()), folder
    if not (folder.summary["concept"] == "*").any():
        raise UserError(f"{out / 'summary.parquet'} holds no row: `dumo-bench run` into {out} fills it")
    found = sorted(build.build(_sources(folder, every), only=only), key=lambda case: case.attacked)
    told = paired.tested(found, paired.reader(paired.scores_of(out)), metrics)
    warned = " ".join(f"{line}." for line in results.said(out))
    whole = [replace(case, contract=" ".join(filter(None, (case.contract, warned)))) for case in told]
    return [build.refused(case, _reasons(out, case)) for case in whole]


def _sources(folder: Folder, suites: Sequence[Suite]) -> build.Sources:
    erases = kinds.of_rows(folder.summary) | kinds.of_suites(suites)
    return build.Sources(folder.summary, folder.metrics, erases, sizes(suites), folder.contracts)


def measured(folder: Folder, suites: Mapping[str, Suite]) -> blocks.Measured:
    """What tables and figures of a paper are made from."""
    out, scores = folder.out, paired.scores_of(folder.out)
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
    folder: Folder,
    suites: Mapping[str, Suite] | None = None,
    shown: Sequence[CaseTables] | None = None,
    *,
    images: bool = True,
    success: Sequence[attack_rows.Row] | None = None,
) -> list[Path]:
    """Write the report into a results folder, from what lies there: report.tex, report.html, report.md, report.csv,
    costs-*.svg, scale-*.svg, relearn-*.svg where there are curves to draw, and of attacks attacks.md and attacks.csv.

    Prompts of a suite that is explicit, or not among `suites`, are named by their ids and their pictures blurred.
    `shown`: its `cases`, where they are known already. images: whether small copies of all pictures are in the page.
    success: of attacks, what `brought_back` gives, where it is known already.
    """
    shown, out, known = cases(folder, suites) if shown is None else shown, folder.out, suites or {}
    drawn, grown = [costs(case) for case in shown], _scales(folder, shown)
    given = folder_page.Given(*folder, known, shown, grown)
    found = brought_back(folder, known) if success is None else success
    return [
        _written(out / "report.tex", latex.document(shown)),
        _written(out / "report.html", folder_page.text(given, found, "inside" if images else "none")),
        _written(
            out / "report.md", markdown.document(shown, [one for one, _ in grown], attack_verdicts.sentences(found))
        ),
        _written(out / "report.csv", sheet.report(shown)),
        *_attacks(out, found),
        *relearning(folder),
        *(_written(out / f"costs-{latex.label(case)}.svg", svg) for case, svg in zip(shown, drawn, strict=True) if svg),
        *(_written(out / f"scale-{file_name(one.suite)}.svg", svg) for one, svg in grown),
    ]


def page_of(folder: Folder, suites: Mapping[str, Suite], *, images: bool = True, control: str = "") -> str:
    """The page of a results folder, whose pictures are served beside it in full size (`view`)."""
    shown = cases(folder, suites)
    given = folder_page.Given(*folder, suites, shown, _scales(folder, shown))
    return plain(folder_page.text(given, brought_back(folder, suites, control), "served" if images else "none"))


def _scales(folder: Folder, shown: Sequence[CaseTables]) -> list[tuple[scale.Scale, str]]:
    """Suites whose cases grow, each with its figure."""
    found = scale.scales(shown, manifest.read_all(folder.out), kinds.of_rows(folder.summary))
    return [(one, figures.scale(one)) for one in found]


def brought_back(folder: Folder, suites: Mapping[str, Suite], control: str = "") -> list[attack_rows.Row]:
    """What attacks brought back in a results folder. control: the method whose success stands in every row, such as a
    model that never saw the concept; one that was not attacked is a UserError."""
    return attack_rows.rows(attacks.of_folder(folder.out, folder.metrics, suites.values(), control))


def _attacks(out: Path, found: Sequence[attack_rows.Row]) -> list[Path]:
    """attacks.md and attacks.csv, where suites that attacks wrote were measured."""
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


__all__: Sequence[str] = [
    "Folder",
    "cases",
    "composed",
    "legend",
    "measured",
    "page_of",
    "read",
    "rendered",
    "rows",
    "write",
]
