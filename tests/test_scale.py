"""Suites whose cases grow: which cases, which numbers, and what every report shows of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import frames
import pytest
from test_summary import score

from dumo_bench import report
from dumo_bench.analysis import summary
from dumo_bench.report import figures, scale
from dumo_bench.report.plots.growing import growing, line, panels
from dumo_bench.run import manifest

LISTS = {"1": ["ghost"], "2": ["ghost", "alien"], "5": ["ghost", "alien", "cat", "dog", "owl"]}
KINDS = {("emoji-cartoon", 1, case): "object" for case in LISTS}
LEFT = {"1": 0.0, "2": 0.25, "5": 0.5}


def folder(out: Path, cases: Mapping[str, Sequence[str]], **costs: Any) -> Path:
    """A results folder of the unedited model and of `uce`, whose rate of what is left is LEFT's."""
    rows = []
    for case, erase in cases.items():
        for method, share in (("original", 1.0), ("uce", LEFT.get(case, 0.0))):
            about = {"case": case, "erase": json.dumps(list(erase), separators=(",", ":")) if method == "uce" else "[]"}
            rows += [
                score(method, "ghost", 0, prompt_id=f"g{i}", metric="judge.erased", value=float(i < 8 * share), **about)
                for i in range(8)
            ]
            rows += [score(method, "dog", 0, prompt_id=f"d{i}", value=float(i < 6), **about) for i in range(8)]
            rows += [
                score(method, "dog", 0, prompt_id=f"d{i}", metric="judge.style", value=0.0, **about) for i in range(8)
            ]
    frames.write(out / "tables", "scores", "a", [row | {"erases": "object"} for row in rows])
    summary.write(out)
    recipes = {
        case: {"method": "uce", "version": "1", "params": {}, "erase": list(erase), "fit_seed": 0, "model": "m"}
        for case, erase in cases.items()
    }
    (out / "runs").mkdir(exist_ok=True)
    said = {
        "wish": {"suite": "emoji-cartoon"},
        "suite": "emoji-cartoon",
        "suite_version": 1,
        "recipes": recipes,
        **costs,
    }
    (out / "runs" / "a.json").write_text(json.dumps(said))
    return out


def scales(out: Path) -> list[scale.Scale]:
    return scale.scales(report.cases(report.read(out)), manifest.read_all(out), KINDS)


def test_every_case_is_a_point_with_its_rates_its_seconds_and_its_size(tmp_path):
    cost = {"edits": {"1": {"seconds": 3.2, "bytes": 4_000_000}, "2": {"seconds": None, "bytes": 5_000_000}}}
    (found,) = scales(folder(tmp_path, LISTS, **cost))
    points = found.of["uce"]
    assert [(point.concepts, point.left.value, point.kept.value) for point in points] == [
        (1, 0.0, 0.75), (2, 0.25, 0.75), (5, 0.5, 0.75),
    ]  # fmt: skip
    assert [point.unedited.value for point in points] == [0.75] * 3
    assert [tuple(point.cost) for point in points] == [(3.2, 4_000_000), (None, 5_000_000), (None, None)]
    cells = [cells for _, cells in scale.lines(found)]
    assert [(row[0], *row[3:]) for row in cells] == [
        ("1", "0.75", "3.2", "4.0"), ("2", "0.75", "\N{EN DASH}", "5.0"), ("5", "0.75", "\N{EN DASH}", "\N{EN DASH}"),
    ]  # fmt: skip


def test_a_case_of_several_fits_is_a_point_of_the_same_line(tmp_path):
    """Of one object a second fit leaves half, of the others there is one fit."""
    out = folder(tmp_path, LISTS)
    about = {"case": "1", "erase": '["ghost"]', "erases": "object", "fit_seed": 1}
    rows = [score("uce", "ghost", 0, prompt_id=f"g{i}", metric="judge.erased", value=i % 2, **about) for i in range(8)]
    rows += [score("uce", "dog", 0, prompt_id=f"d{i}", value=1.0, **about) for i in range(8)]
    frames.write(out / "tables", "scores", "b", rows)
    summary.write(out)
    (found,) = scales(out)
    assert [(point.concepts, point.left.value) for point in found.of["uce"]] == [(1, 0.25), (2, 0.25), (5, 0.5)]


@pytest.mark.parametrize(
    "cases",
    [
        {"1": ["ghost"], "2": ["ghost", "alien"]},
        {"1": ["ghost"], "2": ["alien"], "5": ["cat"]},
        {"1": ["ghost"], "2": ["alien", "cat"], "5": ["cat", "dog", "owl"]},
    ],
)
def test_cases_that_do_not_grow_have_no_scale(tmp_path, cases):
    assert scales(folder(tmp_path, cases)) == []


def test_every_report_shows_it_and_the_figure_is_the_same_bytes_twice(tmp_path):
    out = folder(tmp_path, LISTS)
    written = {path.name: path.read_text() for path in report.write(report.read(out))}
    assert "## emoji-cartoon: more and more concepts at once" in written["report.md"]
    assert "<h2>emoji-cartoon: more and more concepts at once</h2>" in written["report.html"]
    (found,) = scales(out)
    assert written["scale-emoji-cartoon.svg"] == figures.scale(found)


def test_the_figure_has_a_panel_for_each_rate_and_for_each_cost_that_was_noted(tmp_path):
    """What stands in it are the points' own numbers, and the unedited model's in the panel of what is kept."""
    cost = {"edits": {"1": {"seconds": 3.2, "bytes": 4_000_000}, "2": {"seconds": None, "bytes": 5_000_000}}}
    (found,) = scales(folder(tmp_path, LISTS, **cost))
    shown = panels(found)
    assert [line(found.of["uce"], panel.of) for panel in shown] == [
        [(1, 0.0), (2, 0.25), (5, 0.5)], [(1, 0.75), (2, 0.75), (5, 0.75)], [(1, 3.2)], [(1, 4.0), (2, 5.0)],
    ]  # fmt: skip
    drawn = growing(found).axes
    assert [axes.get_title() for axes in drawn] == [panel.title for panel in shown]
    assert [[one.get_label() for one in axes.get_lines()] for axes in drawn] == [
        ["uce"], ["uce", "original"], ["uce"], ["uce"],
    ]  # fmt: skip
    assert list(drawn[1].get_lines()[1].get_ydata()) == [0.75] * 3


def test_without_costs_there_are_the_rates_alone(tmp_path):
    (found,) = scales(folder(tmp_path, LISTS))
    assert len(panels(found)) == len(growing(found).axes) == 2
