"""From tables to text: LaTeX, Markdown, CSV, a page, a terminal. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.analysis import catalogue, kinds, summary
from dumo_bench.analysis.catalogue import Catalogue
from dumo_bench.analysis.coverage import sizes
from dumo_bench.errors import UserError
from dumo_bench.report import build, contract, coverage, figures, latex, markdown, page, paired, tradeoff
from dumo_bench.report.cells import CaseTables
from dumo_bench.run import manifest
from dumo_bench.storage import table
from dumo_bench.storage.files import write_text
from dumo_bench.types import Suite

if TYPE_CHECKING:
    import pandas as pd


def cases(
    out: Path, suites: Mapping[str, Suite] | None = None, only: Callable[[CaseTables], bool] = lambda case: True
) -> list[CaseTables]:
    """The tables of a results folder, of `only` some cases. `suites`, by name, tell what a case erases."""
    every, metrics = list((suites or {}).values()), catalogue.of_folder(out)
    means = summary.read(out)
    erases = kinds.of_rows(means) | kinds.of_suites(every)
    found = build.build(build.Sources(means, metrics, erases, sizes(every), manifest.contracts(out)))
    if not found:
        raise UserError(f"{out / 'summary.parquet'} holds no row: `dumo-bench run` into {out} fills it")
    told = paired.tested(list(filter(only, found)), table.read(out / "tables", "scores"), metrics)
    return [build.refused(case, _reasons(out, case)) for case in told]


def _reasons(out: Path, case: CaseTables) -> dict[str, str]:
    """Which methods the model of a case cannot run, and why."""
    of = (case.suite, case.case)
    return {one.method: one.reason for one in manifest.not_applicable(out) if (one.suite, one.case) == of}


def write(
    out: Path, suites: Mapping[str, Suite] | None = None, shown: Sequence[CaseTables] | None = None
) -> list[Path]:
    """Write report.tex, report.html, report.md, report.csv and costs-*.svg into a results folder, from what lies there.

    Prompts of a suite that is explicit, or not among `suites`, are named by their ids and their pictures blurred.
    `shown`: its `cases`, where they are known already.
    """
    shown = cases(out, suites) if shown is None else shown
    frames = page.Frames(table.read(out / "tables", "scores"), summary.read(out), catalogue.of_folder(out))
    texts = {name: prompt_texts(suite) for name, suite in (suites or {}).items()}
    drawn = [costs(case) for case in shown]
    sections = [
        page.section(case, frames, out, texts.get(case.suite), svg) for case, svg in zip(shown, drawn, strict=True)
    ]
    return [
        write_text(out / "report.tex", latex.document(shown)),
        write_text(out / "report.html", page.render(sections)),
        write_text(out / "report.md", markdown.document(shown)),
        write_text(out / "report.csv", _csv(frames.summary, frames.metrics, manifest.contracts(out))),
        *(
            write_text(out / f"costs-{latex.label(case)}.svg", svg)
            for case, svg in zip(shown, drawn, strict=True)
            if svg
        ),
    ]


def _csv(rows: pd.DataFrame, metrics: Catalogue, contracts: contract.Contracts) -> str:
    """The summary, each row with what its metric is called in tables, and with its sampling contract in words."""
    titles = [metrics.of(row).metric.header for row in table.records(rows)]
    told = rows.assign(title=titles, contract=[contract.said(key, contracts) for key in rows["sampling"]])
    text: str = told.to_csv(index=False, lineterminator="\n")
    return text


def costs(case: CaseTables) -> str:
    """What erasing costs, as SVG; nothing where there are not settings enough to draw a curve."""
    found = tradeoff.curves(case)
    title = "\n".join(filter(None, (case.title, coverage.short(case.coverage))))
    return figures.tradeoff(found, title) if found else ""


def prompt_texts(suite: Suite) -> dict[str, str] | None:
    """The texts of a suite by prompt id, or None when they are not to be shown."""
    return None if suite.explicit else {prompt.id: prompt.text for prompt in suite.prompts}


__all__: Sequence[str] = ["cases", "prompt_texts", "write"]
