"""From tables to text: LaTeX, Markdown, CSV, a page, a terminal. Never imports torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dumo_bench.analysis import summary
from dumo_bench.analysis.coverage import sizes
from dumo_bench.errors import UserError
from dumo_bench.report import build, contract, coverage, figures, latex, markdown, page, paired, tradeoff
from dumo_bench.report.build import CaseTables
from dumo_bench.run import manifest
from dumo_bench.storage import table
from dumo_bench.storage.store import write_text
from dumo_bench.types import Suite

if TYPE_CHECKING:
    import pandas as pd


def cases(
    out: Path, suites: Mapping[str, Suite] | None = None, only: Callable[[CaseTables], bool] = lambda case: True
) -> list[CaseTables]:
    """The tables of a results folder, of `only` some cases. `suites`, by name, tell what a case erases."""
    found = build.build(summary.read(out), kinds(suites or {}), sizes((suites or {}).values()), manifest.contracts(out))
    if not found:
        raise UserError(f"{out / 'summary.parquet'} holds no row: `dumo-bench run` into {out} fills it")
    return paired.tested(list(filter(only, found)), table.read(out / "tables", "scores"))


def write(
    out: Path, suites: Mapping[str, Suite] | None = None, shown: Sequence[CaseTables] | None = None
) -> list[Path]:
    """Write report.tex, report.html, report.md, report.csv and costs-*.svg into a results folder, from what lies there.

    Prompts of a suite that is explicit, or not among `suites`, are named by their ids and their pictures blurred.
    `shown`: its `cases`, where they are known already.
    """
    shown = cases(out, suites) if shown is None else shown
    frames = page.Frames(table.read(out / "tables", "scores"), summary.read(out))
    texts = {name: prompt_texts(suite) for name, suite in (suites or {}).items()}
    drawn = [costs(case) for case in shown]
    sections = [
        page.section(case, frames, out, texts.get(case.suite), svg) for case, svg in zip(shown, drawn, strict=True)
    ]
    return [
        write_text(out / "report.tex", latex.document(shown)),
        write_text(out / "report.html", page.render(sections)),
        write_text(out / "report.md", markdown.document(shown)),
        write_text(out / "report.csv", _csv(frames.summary, manifest.contracts(out))),
        *(
            write_text(out / f"costs-{latex.label(case)}.svg", svg)
            for case, svg in zip(shown, drawn, strict=True)
            if svg
        ),
    ]


def _csv(rows: pd.DataFrame, contracts: contract.Contracts) -> str:
    """The summary, each row with its sampling contract in words."""
    told = rows.assign(contract=[contract.said(key, contracts) for key in rows["sampling"]])
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


def kinds(suites: Mapping[str, Suite]) -> dict[tuple[str, str], str]:
    """What each case erases, "object" or "style", as its prompts tell."""
    found = {}
    for name, suite in suites.items():
        shown = {word: kind for prompt in suite.prompts for kind, word in prompt.shows.items()}
        for case in suite.cases:
            of_case = {shown[concept] for concept in case.erase if concept in shown}
            if len(of_case) == 1:
                found[name, case.name] = of_case.pop()
    return found


__all__: Sequence[str] = ["cases", "kinds", "prompt_texts", "write"]
