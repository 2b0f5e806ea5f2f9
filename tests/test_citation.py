"""What a run used is cited: values beside the plugins, suites and attacks, and their BibTeX."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench import __version__, citation
from dumo_bench.citation import OWN, Paper
from dumo_bench.errors import UserError
from dumo_bench.plugins import loading, static
from dumo_bench.suites import file, registry
from dumo_bench.suites.content import content

ROOT = Path(__file__).parents[1]
WITHOUT = {"original", "checkpoint", "negative", "pictures"}  # no eraser, weights of any paper, a practice, anybody's
OURS = {"concept", "judge2", "blank", "likeness"}
ONE = Paper("a2020x", "On X", ("Ada B", "others"), 2020, "A & B Conference", "2001.00001")


def of_plugins() -> list[tuple[str, str, tuple[Paper, ...]]]:
    return [
        (name, (cls := loading.load(kind, name)).cite, cls.papers)
        for kind in ("methods", "scorers", "attacks")
        for name in loading.names(kind)
    ]


def test_every_plugin_names_its_paper_unless_there_is_none():
    assert {name for name, _, papers in of_plugins() if not papers} == WITHOUT | OURS


def test_a_papers_number_is_the_one_that_tables_show():
    shown = [(name, re.findall(r"\d{4}\.\d{5}", cite), papers) for name, cite, papers in of_plugins()]
    wrong = [name for name, numbers, papers in shown if not set(numbers) <= {paper.arxiv for paper in papers}]
    assert wrong == [] and sum(bool(numbers) for _, numbers, _ in shown) > 20


def test_one_key_means_one_paper_everywhere():
    suites = [paper for one in registry.own().values() for paper in one.file.empty.papers]
    every = {OWN, *suites, *(paper for _, _, papers in of_plugins() for paper in papers)}
    assert len({paper.key for paper in every}) == len(every) > 25


def test_the_suites_of_others_lists_name_them():
    assert {name for name, one in registry.own().items() if not one.file.empty.papers} == {
        "emoji-artist", "emoji-cartoon", "emoji-gates", "emoji-many", "emoji-near", "emoji-sequence", "emoji-unsafe"
    }  # fmt: skip


def test_methods_that_plan_reads_from_their_source_are_cited_from_it_too():
    code = (
        "import sys\nfrom dumo_bench.plugins import static\nprint(static.papers('uce')[0].key, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == "gandikota2024uce False\n"
    assert all(static.papers(name) == loading.load("methods", name).papers for name in loading.names("methods"))


def test_an_entry_is_what_bibtex_reads():
    assert ONE.bibtex == (
        "@inproceedings{a2020x,\n  title = {{On X}},\n  author = {Ada B and others},\n  year = {2020},\n"
        "  booktitle = {A \\& B Conference},\n  eprint = {2001.00001},\n  archivePrefix = {arXiv},\n"
        "  url = {https://arxiv.org/abs/2001.00001},\n}\n"
    )
    assert replace(ONE, venue="").bibtex.startswith("@misc{")
    assert "  journal = {J},\n" in replace(ONE, venue="J", kind="article").bibtex
    assert "  author = {{The dumo-bench authors}},\n" in OWN.bibtex


@given(st.text(max_size=30))
def test_whatever_a_title_holds_its_braces_are_closed(title):
    entry = replace(ONE, title=title).bibtex
    depths = [entry[:n].count("{") - entry[:n].count("}") for n in range(1, len(entry) + 1)]
    assert min(depths) >= 0 and depths[-1] == 0


def test_citation_cff_says_what_the_program_does():
    said = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (said["title"], said["authors"], said["version"]) == (OWN.title, [{"name": OWN.authors[0]}], __version__)
    (dumo,) = said["references"]
    (paper,) = static.papers("dumo")
    assert dumo["title"] == paper.title and dumo["identifiers"][0]["value"] == f"arXiv:{paper.arxiv}"
    assert tuple(f"{one['given-names']} {one['family-names']}" for one in dumo["authors"]) == paper.authors


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('key = "x"\ntitle = "X"\nyear = 2020', "[[paper]] 1 lacks 'authors'"),
        ('key = "x"\ntitle = "X"\nyear = 2020\nauthors = ["A"]\nvenu = "y"', "Did you mean 'venue'?"),
        ('key = "x"\ntitle = "X"\nyear = "2020"\nauthors = ["A"]', "year takes int, got '2020'"),
    ],
)
def test_a_suites_paper_is_refused_with_its_line_where_it_is_none(tiny_suite, row, says):
    tiny_suite.write_text(f"{tiny_suite.read_text()}\n[[paper]]\n{row}\n")
    with pytest.raises(UserError, match=re.escape(says)) as refused:
        file.read(tiny_suite)
    assert re.match(rf"{re.escape(str(tiny_suite))}:\d+: ", str(refused.value))


def test_a_paper_is_no_part_of_a_suites_content(tiny_suite):
    before = registry.read(tiny_suite)
    assert content(replace(before, papers=(ONE,))) == content(before)


def test_what_a_folder_used_is_cited_and_its_own_files_are_not_run(tiny_suite, tmp_path, command, monkeypatch):
    monkeypatch.chdir(ROOT)
    paper = '\n[[paper]]\nkey = "k1"\ntitle = "A list"\nauthors = ["A B"]\nyear = 2024\n'
    tiny_suite.write_text(tiny_suite.read_text() + paper)
    out = tmp_path / "out"
    for method in ("uce", "tests/fakes.py:Scaled"):
        run = ("--method", method, "--suite", tiny_suite, "--scorers", "blank,tests/fakes.py:Brightness", "--out", out)
        assert command("run", *run, "--device", "cpu").code == 0
    said = command("cite", out)
    assert said.code == 0
    assert re.findall(r"^@\w+\{(.*),$", said.out, re.MULTILINE) == ["dumobench", "gandikota2024uce", "k1"]
    assert len(said.err.splitlines()) == 2 and "tests/fakes.py:Scaled" in said.err and "fakes.py:Brightness" in said.err
    rows = command("cite", out, "--json").rows("papers")
    assert [row["used"] for row in rows] == [["program dumo-bench"], ["method uce"], [f"suite {tiny_suite}"]]
    assert rows[1]["bibtex"] == static.papers("uce")[0].bibtex and json.dumps(rows)


def test_a_folder_without_runs_is_a_mistake_in_one_line(tmp_path, command):
    said = command("cite", tmp_path)
    assert said.code == 2 and len(said.err.splitlines()) == 1 and "wanted a results folder" in said.err


def test_without_a_folder_the_program_cites_itself(command):
    assert command("cite").out == f"% program dumo-bench\n{citation.OWN.bibtex}"
