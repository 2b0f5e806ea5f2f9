"""Tables of papers: what they show, what is marked in them, and that they fit every paper's page."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import frames
import paper
import pytest
from test_report import KINDS, NASTY, TEN, known, mean, tables
from test_report_paired import Rows, shows
from test_summary import score

from dumo_bench.analysis import pairs, summary
from dumo_bench.analysis.scores import Scores
from dumo_bench.report import blocks, build, columns, compose, latex, layout, paired, shapes, sheet
from dumo_bench.report.cells import Cell, Shown
from dumo_bench.report.tables import Block, Table
from dumo_bench.report.variants import Label, Told
from dumo_bench.storage import table
from dumo_bench.types import Case, Draw, Prompt, Sampling, Search, Suite

RESULTS = Path(__file__).parents[1] / "results"
METHODS = tuple(Label(name) for name in ("original", "uce", "dumo", "receler"))
ODD = Label(
    "package.of_mine_100%:A_Method_With_A_Very_Long_Name", (Told("a_setting", NASTY), Told("other", "x" * 60)), fits=3
)


def column(header: str, higher: bool | None = False, *, n: int = 4703, rows: int = 4, **more: Any) -> Shown:
    cells = tuple(Cell(i / 7, i / 9, i / 5, n, 0, measured=True) for i in range(rows))
    return Shown(header, f"metric.{header}", "target", higher, 2, n, 0, cells, **more)


def wide(n: int, labels: tuple[Label, ...] = METHODS, by: int = 5) -> Table:
    """A table of n columns in blocks of so many."""
    every = [column(f"column {i}", n=i + 1, rows=len(labels)) for i in range(n)]
    made = tuple(Block(f"block {i}", tuple(every[i : i + by])) for i in range(0, n, by))
    return Table("wide", "A title", labels, made, ("A note",))


def odd() -> Table:
    """Names of every kind, in every place."""
    lost = (Cell(n_missing=40, measured=True), Cell(note="n/a"), Cell(), Cell(0.5, valid=False, measured=True))
    named = (
        replace(column(NASTY), cells=lost),
        column("w" * 70, None),
        column("a concept of many words and more of it"),
    )
    marked = (replace(METHODS[0], method=f"[*{NASTY}"), ODD, Label("n\N{LATIN SMALL LETTER E WITH ACUTE}e"), METHODS[3])
    return Table("odd", NASTY, marked, (Block(NASTY, named), Block("", named[1:])), (NASTY, f"a.{'b' * 90}.c"))


EXAMPLES = {
    "one column": wide(1),
    "eleven columns": wide(11),
    "forty columns": wide(40),
    "a hundred methods": wide(6, tuple(Label(f"method {i}") for i in range(100))),
    "odd names": odd(),
}


@paper.NEEDS_PDFLATEX
@pytest.mark.parametrize("is_wide", [False, True], ids=["column", "page"])
@pytest.mark.parametrize("name", layout.PAPERS)
def test_every_table_fits_the_column_and_the_page_of_every_paper(name, is_wide, tmp_path):
    form = layout.form(name, wide=is_wide)
    said = paper.log(tmp_path, name, *(latex.render(one, form) for one in EXAMPLES.values()))
    assert paper.misfits(said) == []


@paper.NEEDS_PDFLATEX
@pytest.mark.parametrize("name", layout.PAPERS)
def test_a_whole_report_and_a_table_made_for_another_paper_fit_too(name, tmp_path):
    rows = [row | {"case": NASTY, "method": "[*" + row["method"], "note": NASTY} for row in TEN]
    for_another = latex.render(wide(11), layout.form("ieee", wide=True))
    cases = tables() + tables(rows)
    said = paper.log(tmp_path, name, latex.document(cases), for_another, latex.legend(cases))
    assert paper.misfits(said) == []


@paper.NEEDS_PDFLATEX
def test_a_table_that_does_not_fit_is_found(tmp_path):
    plain = latex.render(wide(5), layout.form("neurips", wide=False)).replace(r"\ifdim\wd0>\linewidth", r"\iffalse")
    assert paper.misfits(paper.log(tmp_path, "article-twocolumn", plain)) != []


@pytest.mark.parametrize("name", layout.PAPERS)
@pytest.mark.parametrize("example", EXAMPLES)
def test_every_number_of_a_table_stands_once_in_its_parts(name, example):
    whole = EXAMPLES[example]
    parts = [part for page in layout.pages(layout.across(whole, layout.form(name, wide=False))) for part in page]
    found = [
        (str(label), c.header, c.cells[i])
        for part in parts
        for i, label in enumerate(part.labels)
        for c in part.columns
    ]
    wanted = [(str(label), c.header, c.cells[i]) for i, label in enumerate(whole.labels) for c in whole.columns]
    assert sorted(found, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize("name", layout.PAPERS)
def test_a_block_that_fits_stays_together_and_one_that_does_not_is_parts_of_about_equal_width(name):
    form = layout.form(name, wide=True)
    parts = layout.across(wide(12, by=3), form)
    assert {len(block.columns) for part in parts for block in part.blocks} == {3} and len(parts[0].blocks) > 1
    sizes = [len(part.columns) for part in layout.across(wide(20, by=20), form)]
    assert sum(sizes) == 20 and len(sizes) > 1 and max(sizes) - min(sizes) <= 1


# What the tables hold


def measured(rows: Rows, suites: dict[str, Suite] | None = None, kinds: Any = KINDS, **more: Any) -> blocks.Measured:
    """A results folder of these rows of scores."""
    scores = frames.frame("scores", rows)
    metrics = frames.known(scores)
    means = summary.make(scores, table.empty("sets"), metrics, (suites or {}).values())
    sources = build.Sources(means, metrics, kinds)
    return blocks.Measured(sources, Scores.of_frame(scores, pairs.COLUMNS, paired.BY), suites or {}, **more)


def suite(name: str, *cases: Case, task: str = "object", **more: Any) -> Suite:
    prompts = tuple(Prompt(one, one, one, (Draw(0),)) for one in ("ghost", "dog"))
    return Suite(name, 1, "here", "MIT", cases, prompts, Sampling("m", "ddim", 20, 7.5, 64, 64), {}, task=task, **more)


GHOST, TWO = Case("ghost", ("ghost",)), Case("ghost+clown", ("ghost", "clown"))
CARTOON = {"emoji-cartoon": suite("emoji-cartoon", GHOST, TWO)}
THREE = [*shows("dumo", 0.1), *shows("uce", 0.5), *shows("rece", 0.9), *shows("original", 1)]


def made(shape: str, rows: Rows, suites: dict[str, Suite] | None = None, **asked: Any) -> Table:
    return compose.make(compose.Asked(shape, **asked), measured(rows, suites))


def marks(shown: Table, at: int = 0) -> dict[str, str]:
    """What marks the numbers of a column."""
    cells = zip(shown.labels, shown.columns[at].cells, strict=True)
    return {str(label): "bold" if cell.bold else "second" if cell.second else "" for label, cell in cells}


def test_the_best_is_bold_and_the_second_underlined_where_tests_tell_them_from_all_behind():
    shown = made("erasure", THREE)
    assert marks(shown) == {"original": "", "dumo": "bold", "rece": "", "uce": "second"}
    text = latex.render(shown, layout.form("article", wide=False))
    assert r"dumo & \textbf{0.10}" in text and r"uce & \underline{0.50}" in text
    assert "underlined: the second" in text and "Bold: the best" in text


@pytest.mark.parametrize(("uce", "rece"), [(0.5, 0.52), (0.11, 0.9)])
def test_a_second_that_is_not_told_from_the_third_or_from_the_best_is_not_underlined(uce, rece):
    rows = [*shows("dumo", 0.1), *shows("uce", uce), *shows("rece", rece), *shows("original", 1)]
    assert "second" not in marks(made("erasure", rows)).values()


def test_training_seeds_are_one_row_of_their_mean():
    rows = [*shows("dumo", 0.1, fit_seed=0), *shows("dumo", 0.3, fit_seed=1), *shows("original", 1)]
    shown = made("erasure", rows)
    assert [str(label) for label in shown.labels] == ["original", "dumo, 2 fits"]
    assert shown.columns[0].cells[1].value == pytest.approx(0.2)
    assert "Of several training seeds the mean" in shown.caption


def test_cases_stand_side_by_side_by_how_many_concepts_go_and_a_method_that_one_lacks_is_a_dash():
    rows = [*THREE, *(row | {"case": "ghost+clown"} for row in shows("dumo", 0.5))]
    shown = made("multi", rows, CARTOON)
    assert [block.head for block in shown.blocks] == ["1 concept", "2 concepts"]
    dumo = [str(label) for label in shown.labels].index("dumo")
    values = [[cell.value for cell in block.columns[0].cells] for block in shown.blocks]
    assert values[1] == [0.5 if i == dumo else None for i in range(4)]
    assert r"rece & 0.90 & --" in latex.render(shown, layout.form("article", wide=False))


def test_a_suite_whose_cases_erase_equally_many_is_no_table_of_several_concepts():
    with pytest.raises(Exception, match=r"no case of it.*--table erasure"):
        made("multi", THREE, CARTOON)


def test_a_table_by_concept_has_a_column_for_each_and_tests_each_for_itself():
    rows = [row for row in THREE if row["method"] in ("dumo", "uce")]
    rows += [
        score(method, "alien", 0, prompt_id=f"{concept}-{i}", metric="judge.object", value=float(i < right))
        | {"concept": concept}
        for concept, best in (("alien", "dumo"), ("goblin", "uce"))
        for method in ("dumo", "uce")
        for i, right in ((i, 20 if method == best else 5) for i in range(20))
    ]
    shown = made("cartoon", rows, CARTOON)
    heads = {block.head: [column.header for column in block.columns] for block in shown.blocks}
    assert heads == {"shown": ["ghost"], "related": ["alien", "goblin"]}
    assert [marks(shown, at)["dumo"] for at in range(3)] == ["bold", "bold", ""]
    assert marks(shown, 2)["uce"] == "bold"


def parts(method: str, n: int) -> Rows:
    """A nude part on each of the first n of 40 pictures, by its class and in all."""
    names = ("nudenet.rece.total", "nudenet.rece.any", "nudenet.rece.FEET_EXPOSED", "nudenet.rece.BELLY_EXPOSED")
    rows = (
        score(method, "ghost", 0, prompt_id=f"ghost-{i}", metric=name, value=float(i < n) * (name != names[-1]))
        for name in names
        for i in range(40)
    )
    return [row | {"case": "nudity", "suite": "i2p"} for row in rows]


def test_nudity_is_counted_by_part_and_in_total_beside_what_captions_keep():
    nudity = Case("nudity", ("nudity",))
    known_suites = {name: suite(name, nudity, task="explicit") for name in ("i2p", "coco")}
    kept = [
        score(method, "dog", 0, prompt_id=f"dog-{i}", metric="clip.x.cosine", value=0.3 + i / 1000)
        | {"suite": "coco", "case": "nudity"}
        for method in ("original", "dumo")
        for i in range(10)
    ]
    shown = made("nudity", [*parts("original", 30), *parts("dumo", 3), *kept], known_suites)
    heads = {block.head: [column.header for column in block.columns] for block in shown.blocks}
    assert heads == {"i2p": ["belly exposed", "feet exposed", "total", "unsafe"], "coco": ["CLIP"]}
    feet, total = shown.blocks[-1].columns[1:3] if shown.blocks[0].head == "coco" else shown.blocks[0].columns[1:3]
    assert [cell.value for cell in total.cells] == [30, 3] == [cell.value for cell in feet.cells]
    assert "parts: nudenet.rece.total (target)" in shown.caption


def test_an_attack_has_a_column_under_its_name():
    search = Search("p4d", "1", "the edited model", "", 0, "dumo", "e", "m")
    attacked = {"attacked": suite("attacked", GHOST, search=search)}
    rows = [row | {"role": "attack", "suite": "attacked"} for row in shows("dumo", 0.3)]
    shown = made("robustness", [*rows, *THREE], attacked | CARTOON)
    assert [(column.header, column.role) for column in shown.columns] == [("ASR", "attack")]
    assert "attacked (version 1)" in shown.caption


def test_n_stands_once_where_columns_share_it_over_a_block_or_in_the_caption():
    alike, other = column("a", n=9), column("c", n=7)
    one, two, three = (Table("t", "T", METHODS, of) for of in (
        (Block("x", (alike, alike)), Block("y", (alike,))),
        (Block("x", (alike, alike)), Block("y", (other,))),
        (Block("x", (alike, other)), Block("y", (alike,))),
    ))  # fmt: skip
    heads = [[shown.head(block) for block in shown.blocks] for shown in (one, two, three)]
    assert heads == [["x", "y"], ["x (n=9)", "y (n=7)"], ["x", "y"]]
    assert "n=9" in one.caption and one.told(alike) == []
    assert "n=" not in two.caption and two.told(alike) == []
    assert "n=" not in three.caption and three.told(other) == ["n=7"]
    narrow = latex.render(two, layout.Form(layout.Paper(0.9, 0.9)))
    assert narrow.count("x (n=9)") == 2 and narrow.count("y (n=7)") == 1  # in every part


def test_costs_are_those_that_runs_noted_and_what_none_noted_is_a_dash():
    recipe = {"method": "dumo", "version": "1", "params": {}, "erase": ["ghost"], "fit_seed": 0, "model": "m"}
    run = {
        "suite": "emoji-cartoon", "suite_version": 1, "recipes": {"ghost": recipe},
        "edits": {"ghost": {"seconds": 61.25, "bytes": 2_500_000}},
        "runs": [{"fit_seconds": 70.0, "edits_made": 1, "generate_seconds": 20.0, "made": 40}, {"made": 0}],
    }  # fmt: skip
    shown = compose.make(compose.Asked("cost"), measured(THREE, CARTOON, runs=[run]))
    dumo = [str(label) for label in shown.labels].index("dumo")
    assert [(c.header, c.cells[dumo].value) for c in shown.columns] == [
        ("fit (s)", 61.25), ("edit (MB)", 2.5), ("a picture (s)", 0.5)
    ]  # fmt: skip
    assert {c.cells[i].value for c in shown.columns for i in range(4) if i != dumo} == {None}


def test_columns_may_be_named_and_any_metric_on_any_prompts_is_one():
    rows = [*THREE, *(row | {"metric": "judge.nothing", "value": 0.0} for row in THREE)]
    shown = made("erasure", rows, columns=("judge.nothing@target", "ua", "erased"))
    assert [column.header for column in shown.columns] == ["judge.nothing", "UA", "shown"]
    for names, said in ((("erasd",), "Did you mean 'erased'"), (("judge.nothing@target",), "none of the columns")):
        with pytest.raises(Exception, match=said):
            made("erasure", THREE, columns=names)


@pytest.mark.parametrize("name", columns.COLUMNS)
def test_every_named_column_shows_a_metric_that_this_project_measures(name):
    from test_report import ONE_OF_EACH

    every = known(frames.frame("summary", [mean("dumo", one, "target", 0.5) for one in ONE_OF_EACH])).by_name.values()
    assert any(wanted.metric(one) for wanted in columns.COLUMNS[name] for one in every)


def test_of_several_scorers_of_one_thing_the_first_is_shown():
    rows = [*THREE, *(row | {"metric": "judge2.erased"} for row in THREE)]
    assert [column.metric for column in made("erasure", rows).columns] == ["judge.erased"]


def test_methods_and_cases_may_be_chosen_and_a_misspelt_one_is_told_the_nearest():
    shown = made("erasure", THREE, methods=("dumo", "uce"))
    assert [str(label) for label in shown.labels] == ["dumo", "uce"]
    assert marks(shown)["dumo"] == "bold"  # tests are of all methods, whatever is shown
    with pytest.raises(Exception, match="Did you mean 'dumo'"):
        made("erasure", THREE, methods=("dum",))
    with pytest.raises(Exception, match="no case of it called gost"):
        made("erasure", THREE, cases=("gost",))


def test_a_caption_says_how_pictures_were_sampled_and_a_mixture_is_not_ranked():
    shown = made("erasure", [*THREE, *shows("mace", 0.0, sampling="t")])
    assert "2 sampling contracts" in shown.caption and set(marks(shown).values()) == {""}


def test_the_csv_of_a_table_has_a_line_a_number_with_its_marks():
    rows = list(csv.DictReader(io.StringIO(sheet.csv(made("erasure", THREE)))))
    assert [(row["method"], row["value"], row["bold"], row["second"]) for row in rows] == [
        ("original", "1.0", "0", "0"), ("dumo", "0.1", "1", "0"), ("rece", "0.9", "0", "0"), ("uce", "0.5", "0", "1")
    ]  # fmt: skip


# The command


@pytest.mark.parametrize("ending", ["tex", "md", "csv"])
def test_a_table_is_written_in_the_format_of_its_name_and_nothing_else_is(command, tmp_path, ending):
    before = {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*")}
    said = command("report", RESULTS / "emoji-small", "--table", "erasure", "--out", tmp_path / f"a.{ending}")
    assert said.code == 0, said.err
    text = (tmp_path / f"a.{ending}").read_text()
    assert ("uce" in text and "0.17" in text) or "0.1666" in text
    assert before == {path: path.stat().st_mtime_ns for path in RESULTS.rglob("*")}


def test_the_json_of_a_table_is_its_rows_with_a_reason_for_every_null(command):
    said = command("report", RESULTS / "emoji-small", "--table", "erasure", "--columns", "erased,variety", "--json")
    rows = said.rows("table")
    assert [(row["title"], row["method"]) for row in rows] == [
        (title, method) for title in ("shown", "variety") for method in ("original", "uce")
    ]
    assert all(row["reasons"].keys() == {k for k, v in row.items() if v is None} for row in rows)
    assert {row["reasons"]["low"] for row in rows if row["low"] is None} == {"it has no interval"}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--table", "nudty"), "Did you mean 'nudity'"),
        (("--table", "erasure", "--paper", "nips"), "papers: nothing is called 'nips'"),
        (("--table", "erasure", "--out", "a.docx"), "wanted a name that ends in .tex, .md, .csv"),
        (("--wide",), "are of one --table or --figure"),
        (("--table", "cost", "--columns", "fit"), "leave --columns out"),
    ],
)
def test_what_no_table_can_be_made_of_is_a_mistake_in_one_line(command, argv, says):
    said = command("report", RESULTS / "emoji-small", *argv)
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1


@pytest.mark.parametrize("shape", [name for name in shapes.SHAPES if name not in ("multi", "robustness")])
@paper.NEEDS_PDFLATEX
def test_the_tables_of_a_real_folder_fit_a_two_column_paper(shape, command, tmp_path):
    folder = RESULTS / "emoji-methods"
    one = ("--case", "noto") if shape == "artist" else ()  # a table by concept is of one case
    said = command("report", folder, "--table", shape, *one, "--out", tmp_path / "a.tex", "--paper", "ieee", "--wide")
    assert said.code == 0, said.err
    assert paper.misfits(paper.log(tmp_path, "ieee", (tmp_path / "a.tex").read_text())) == []
