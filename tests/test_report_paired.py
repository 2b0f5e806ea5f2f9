"""The report's paired tests: what is bold, and how far each eraser is from the unedited model; over all cases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import frames
import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests
from test_compare import folder
from test_report import KINDS, drawn, named
from test_summary import score

from dumo_bench.analysis import compare, pairs, summary
from dumo_bench.analysis.scores import Scores
from dumo_bench.analysis.sides import side
from dumo_bench.report import build, latex, markdown, page, paired
from dumo_bench.report.cells import CaseTables, Cell, Shown
from dumo_bench.storage import table

Rows = list[dict[str, Any]]


def cases_of(rows: Rows) -> list[CaseTables]:
    scores = frames.frame("scores", rows)
    known = frames.known(scores)
    means = summary.make(scores, table.empty("sets"), known)
    read = paired.reader(Scores.of_frame(scores, pairs.COLUMNS, paired.BY))
    return paired.tested(build.build(build.Sources(means, known, KINDS)), read, known)


def bold(cases: list[CaseTables], metric: str = "judge.erased", role: str = "target", at: int = 0) -> list[str]:
    """The rows whose number is bold."""
    (found,) = [
        [label for label, cell in zip(named(panel.labels), column.cells, strict=True) if cell.bold]
        for panel in cases[at].panels
        for column in panel.columns
        if (column.metric, column.role) == (metric, role) and len(panel.labels) == len(cases[at].kin)
    ]
    return found


def differences(case: CaseTables) -> dict[tuple[str, str], tuple[Shown, dict[str, Cell]]]:
    return {
        (column.metric, column.role): (column, dict(zip(named(panel.labels), column.cells, strict=True)))
        for panel in case.paired
        for column in panel.columns
    }


def shows(method: str, rate: float, n: int = 40, **more: Any) -> Rows:
    """Of n prompts with one picture each, the first n * rate show the erased concept."""
    return [
        score(method, "ghost", 0, prompt_id=f"ghost-{i}", metric="judge.erased", value=float(i < n * rate), **more)
        for i in range(n)
    ]


def test_what_every_pair_tells_is_bold_though_the_intervals_overlap():
    """dumo shows it in 4 of 40 pictures, uce in these and 8 more."""
    cases = cases_of([*shows("dumo", 0.1), *shows("uce", 0.3), *shows("original", 1)])
    _, cells = next((c, c.cells) for c in cases[0].panels[0].columns if c.metric == "judge.erased")
    by_label = dict(zip(named(cases[0].panels[0].labels), cells, strict=True))
    assert by_label["dumo"].high > by_label["uce"].low
    assert bold(cases) == bold(cases, "judge.erased.ua") == ["dumo"]


def test_the_second_is_underlined_on_the_page_and_in_latex_and_markdown_where_it_is_told_from_the_third():
    rows = [*shows("dumo", 0.1), *shows("uce", 0.5), *shows("rece", 0.9), *shows("original", 1)]
    cases = cases_of(rows)
    assert "<u>0.50</u>" in page.render([page.Section(cases[0])]) and "<u>0.50</u>" in markdown.document(cases)
    assert r"\underline{0.50}" in latex.document(cases) and r"\underline{0.10}" not in latex.document(cases)
    close = cases_of([*rows[:80], *shows("rece", 0.55), *shows("original", 1)])
    assert "<u>0.50" not in markdown.document(close) and "**0.10**" in markdown.document(close)


def test_nothing_is_bold_where_one_other_eraser_is_not_told_from_the_best():
    rows = [*shows("dumo", 0.1), *shows("uce", 0.8), *shows("rece", 0.15), *shows("original", 1)]
    assert bold(cases_of(rows)) == []
    assert bold(cases_of([row for row in rows if row["method"] != "rece"])) == ["dumo"]


def test_the_original_is_no_competitor_and_one_eraser_alone_no_winner():
    assert bold(cases_of([*shows("original", 0.5), *shows("dumo", 0.6), *shows("uce", 1.0)])) == ["dumo"]
    assert bold(cases_of([*shows("original", 0.9), *shows("dumo", 0.0)])) == []


def test_the_fits_of_one_method_are_one_eraser_and_bold_together():
    fits = [*shows("dumo", 0.0, fit_seed=0), *shows("dumo", 0.1, fit_seed=1)]
    assert bold(cases_of([*fits, *shows("uce", 0.9)])) == ["dumo (seed 0)", "dumo (seed 1)"]
    cases = cases_of([*fits, *shows("uce", 0.9), *shows("original", 1)])
    _, cells = differences(cases[0])["judge.erased", "target"]
    assert {label: cell.value for label, cell in cells.items()} == pytest.approx({"dumo, 2 fits": -0.95, "uce": -0.1})


def test_nothing_is_bold_where_erasers_were_measured_on_unequally_many_pictures():
    lost = {"value": None, "note": "lost"}
    rows = [*shows("dumo", 0.0), *shows("uce", 0.9)]
    assert bold(cases_of(rows)) == ["dumo"]
    assert bold(cases_of([rows[0] | lost, *rows[1:]])) == []


def test_what_one_case_tells_alone_many_equal_ones_take_back():
    """p = 2 / 2**6 is told alone, and not among 20 cases whose erasers are equal."""
    told = [*shows("dumo", 0.0), *shows("uce", 6 / 40)]
    assert bold(cases_of(told)) == ["dumo"]
    equal = [row | {"case": f"no-{i}"} for i in range(20) for row in (*shows("dumo", 0.5), *shows("uce", 0.5))]
    assert bold(cases_of([*told, *equal])) == []


def test_what_the_scorer_hardly_recognises_is_never_bold():
    rows = [*shows("dumo", 0.0), *shows("uce", 0.4)]
    for rate, wanted in ((0.4, False), (0.6, True)):
        cases = cases_of([*rows, *shows("original", rate)])
        (column, cells), best = differences(cases[0])["judge.erased", "target"], bold(cases)
        assert (best == ["dumo"], cells["dumo"].bold, cells["dumo"].unreliable) == (wanted, wanted, not wanted)
        assert column.n == 40


def test_pictures_of_two_contracts_are_no_pairs():
    (case,) = cases_of([*shows("dumo", 0.0, sampling="t"), *shows("uce", 0.9), *shows("original", 1)])
    assert case.warning and case.paired == () and bold([case]) == []


def noisy() -> Rows:
    """Two cases, three methods and the original, yes/no and other values, one of them in several roles."""
    rng, rows = np.random.default_rng(0), []
    for case, shift in (("ghost", 0.3), ("clown", 0.02)):
        for method, strength in (("original", 0), ("dumo", 3), ("uce", 2), ("rece", 1)):
            for concept in ("ghost", "alien", "dog"):
                for i in range(30):
                    at = {"case": case, "prompt_id": f"{concept}-{i // 2}", "erase": "[]"}
                    seen = float(rng.random() < 0.9 - shift * strength)
                    metric = "judge.erased" if concept == "ghost" else "judge.object"
                    rows += [score(method, concept, i % 2, metric=metric, value=seen, **at)]
                    rows += [score(method, concept, i % 2, metric="clip.emoji.cosine", value=rng.normal(), **at)]
    return rows


def test_differences_are_those_of_compare_and_q_is_of_all_cases_metrics_roles_and_erasers(tmp_path: Path):
    rows = noisy()
    cases, out = cases_of(rows), folder(tmp_path, rows)
    both = [compare.compare(side(m, out), side("original", out)) for m in ("dumo", "rece", "uce")]
    alone = {
        (m, d.case, d.metric, d.role): d for m, group in zip(("dumo", "rece", "uce"), both, strict=True) for d in group
    }
    cells = {
        (label, case.case, *key): cell
        for case in cases
        for key, (_, found) in differences(case).items()
        for label, cell in found.items()
    }
    shared = cells.keys() & alone.keys()
    assert {role for *_, role in shared} == {"target", "related", "unrelated", "all"} and len(shared) > 20
    for key in shared:
        d = alone[key]
        assert (cells[key].value, cells[key].low, cells[key].high) == (d.difference, d.low, d.high)
    kept = {key for key in cells if key[-1] == "kept"}
    assert cells.keys() == shared | kept and kept
    without = cases_of([row for row in rows if row["role"] == "target" and row["metric"] == "judge.erased"])
    p = {key: alone[key].p for key in alone if key[2:] == ("judge.erased", "target")}
    q = dict(zip(p, multipletests(list(p.values()), method="fdr_bh")[1], strict=True))
    found = {(m, case.case, *key): cell.q for case in without for key, (_, of) in differences(case).items()
             for m, cell in of.items()}  # fmt: skip
    assert found == pytest.approx(q) and {case.family for case in without} == {6}


def test_every_file_has_the_table_of_differences_and_the_terminal_has_not():
    cases = cases_of([*shows("dumo", 0.1), *shows("uce", 0.3), *shows("original", 1)])
    title = paired.TITLE
    assert f"### {title}" in markdown.document(cases)
    assert re.search(r"\*\*-0\.90\*\* \[-[0-9., -]+\] \(q<0\.001\)", markdown.document(cases))
    assert r"\label{tab:emoji-cartoon-ghost-paired}" in latex.document(cases) and title in latex.document(cases)
    html = page.render([page.Section(cases[0])])
    assert f"<summary>{title}</summary>" in html and "<small>q&lt;0.001</small>" in html
    assert title not in drawn(cases)
    assert "over all 2 tests" in markdown.document(cases)


def test_a_method_without_an_unedited_model_beside_it_has_no_differences():
    (case,) = cases_of([*shows("dumo", 0.1), *shows("uce", 0.9)])
    assert case.paired == () and "Paired" not in markdown.document([case])
