"""Paper files: every key names a published number and something of ours, or says why the harness cannot make it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from dumo_bench import papers, published
from dumo_bench.api import schema
from dumo_bench.api.paper import Line
from dumo_bench.cli import reproduced
from dumo_bench.papers import Grid, own
from dumo_bench.plugins import loading, static
from dumo_bench.suites import registry

ROOT = Path(__file__).parents[1]
NAMES = papers.names()
EVERY = {name: papers.read(name) for name in NAMES}
GRIDS = [pytest.param(grid, id=f"{name}-{grid.number}") for name in NAMES for grid in papers.grids(EVERY[name])]
OWN = registry.own()
ASKED = ("dumo-2025", "rece-2024", "receler-2024", "eap-2024", "mace-2024", "advunlearn-2024", "speed-2025", "uce-2024")


def test_the_papers_of_the_methods_that_have_published_numbers_are_there():
    assert set(NAMES) >= {*ASKED, "esd-2023", "emoji"}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_fits_the_schema_that_editors_are_given(name):
    text = (ROOT / "results/published" / f"{name}.toml").read_text()
    jsonschema.validate(tomllib.loads(text), json.loads(schema.text("paper")))


@pytest.mark.parametrize("name", NAMES)
def test_no_number_that_was_measured_is_in_a_file(name):
    """Numbers of a paper's file are settings, how its pictures were drawn, and limits."""
    data = tomllib.loads((ROOT / "results/published" / f"{name}.toml").read_text())
    numbers = {key for key, value in _leaves(data) if isinstance(value, (int, float))}
    assert numbers <= {"steps", "guidance", "limit", "eta"}


def _leaves(value, key=""):
    """Every value that is no table or list, with the key that it is under."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from _leaves(one, key)
    else:
        yield key, value


@pytest.mark.parametrize("grid", GRIDS)
def test_every_line_and_column_names_published_numbers(grid: Grid):
    assert {i for i, _ in grid.numbers} == set(range(len(grid.methods))), "a line without a number"
    assert {j for _, j in grid.numbers} == set(range(len(grid.heads))), "a column without a number"
    assert {row.source for row in grid.numbers.values()} == set(grid.table.sources)


@pytest.mark.parametrize("grid", GRIDS)
def test_a_cell_is_one_number_alone(grid: Grid):
    numbers = next(found.numbers for found in EVERY.values() if grid.table in found.paper.tables)
    for i, j in grid.numbers:
        mine = [row for row in numbers if row.method == grid.methods[i].printed]
        assert len([row for row in mine if grid.heads[j].holds(row, grid.table)]) == 1


@pytest.mark.parametrize("grid", GRIDS)
def test_a_line_is_a_method_of_ours_with_settings_it_takes_or_says_why_not(grid: Grid):
    for i, line in enumerate(grid.methods):
        assert line.name or line.why, line.printed
        mine = {row.name for (row_of, _), row in grid.numbers.items() if row_of == i}
        if line.name:
            assert mine <= {line.name, ""}, "ours is called otherwise there"
            assert line.name in loading.names("methods")
            static.make(line.name, line.settings)
        else:
            assert mine == {""}, f"{line.printed}: the published numbers know a method of ours for it"


@pytest.mark.parametrize("grid", GRIDS)
def test_a_column_is_of_a_suite_case_and_metric_of_ours_or_says_why_not(grid: Grid):
    run = {one.name for one in grid.table.suites}
    for j, head in enumerate(grid.heads):
        if head.of.why:
            continue
        row = next(row for (_, column), row in grid.numbers.items() if column == j)
        assert head.of.suite in OWN and head.of.suite in run
        cases = {case.name.lower() for case in OWN[head.of.suite].cases}
        assert head.of.case in ("", "average") or head.of.case.lower() in cases
        assert published.counts(row) or published.ways(row), head.metric


@pytest.mark.parametrize("grid", GRIDS)
def test_what_is_run_is_for_a_column(grid: Grid):
    shown = {head.of.suite for head in grid.heads if not head.of.why}
    for suite in grid.table.suites:
        assert suite.name in shown
        assert set(suite.cases) <= {case.name for case in OWN[suite.name].cases}
        assert set(suite.scorers) <= set(loading.names("scorers"))
    for sampled in grid.table.sampled:
        assert sampled.model in ("", *(one.empty.sampling.model for one in map(registry.file_of, shown)))


@pytest.mark.parametrize("width", [60, 80, 140])
@pytest.mark.parametrize("name", NAMES)
def test_a_paper_is_no_wider_than_the_terminal_and_shows_every_number(name, width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    grids = papers.grids(EVERY[name])
    reproduced.show(EVERY[name], grids, [])
    said = capsys.readouterr().out
    long = [line for line in said.splitlines() if len(line.rstrip()) > width]
    assert not [line for line in long if len(line.split()) > 1]
    words = said.split()
    for grid in grids:
        assert all(f"{row.value:g}" in words for row in grid.numbers.values())


def test_a_setting_is_run_once_and_the_unedited_model_only_where_it_stands_alone():
    (table,) = EVERY["esd-2023"].paper.tables[1:2]
    names = [(one.name, dict(one.settings)) for one in table.made]
    assert names == [
        ("sld", {"config": "medium"}),
        ("sld", {"config": "max"}),
        ("esd", {"variant": "u"}),
        ("esd", {"variant": "u", "eta": 3.0}),
    ]
    alone = EVERY["dumo-2025"].only(4, ["original"]).paper.tables[0]
    assert [one.name for one in alone.made] == ["original"]
    twice = [Line(printed=text, name="uce") for text in ("UCE", "UCE (again)")]
    assert len(type(alone)(title="t", sources=("s",), methods=tuple(twice), columns=()).made) == 1


def test_the_committed_numbers_are_those_of_the_committed_run():
    found = EVERY["emoji"]
    mine = own.text(own.numbers(found, ROOT / "results/emoji-reproduced"))
    assert mine == (ROOT / "results/published/emoji/numbers.csv").read_text()
    cells = sum(len(one.methods) * len(one.heads) for one in papers.grids(found))
    assert len(own.numbers(found, ROOT / "results/emoji-reproduced")) == cells


def test_numbers_of_this_project_are_beside_no_other_paper():
    assert not [row for row in published.load() if row.status.startswith(published.OWN)]
    assert {row.status.partition(",")[0] for grid in papers.grids(EVERY["emoji"]) for row in grid.numbers.values()} == {
        published.OWN
    }
