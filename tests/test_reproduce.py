"""`reproduce` on a paper of a tiny model: what it runs is what `run` runs, and what it compares `paper-diff` does."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import tiny
from conftest import SUITE

from dumo_bench import api, papers, published
from dumo_bench.analysis import summary
from dumo_bench.api import file
from dumo_bench.errors import UserError
from dumo_bench.published import COLUMNS

FAKES = Path(__file__).with_name("fakes.py")
PAPER = """
title = "A paper: Somebody, 2025"
scorers = ["{fakes}:Lit"]
{more}

[[tables]]
title = "How lit pictures are"
sources = ["a paper"]
methods = [
  {{printed = "SD", name = "original"}},
  {{printed = "UCE", name = "uce", settings = {{ridge = 2.0}}}},
  {{printed = "Half", name = "{fakes}:Scaled", settings = {{factor = {factor}}}}},
  {{printed = "Other", why = "Other is not built"}},
]
sampled = [{{model = "sd14", scheduler = "lms", steps = 2, guidance = 7.5, prompts = "a thousand prompts"}}]
differs = ["Its pictures are of cats and dogs, these of neither."]
[[tables.suites]]
name = "{suite}"
[[tables.columns]]
suite = "small"
case = "cat"
metrics = ["lit@target", "lit@kept"]
[[tables.columns]]
suite = "another"
metrics = ["shine"]
why = "its prompts are no suite here"

[[tables]]
title = "The same of one method"
sources = ["a paper"]
methods = [{{printed = "UCE", name = "uce", settings = {{ridge = 2.0}}}}]
[[tables.suites]]
name = "{suite}"
[[tables.columns]]
suite = "small"
case = "cat"
metrics = ["lit@kept"]
"""
NAMES = {"SD": "original", "UCE": "uce", "Half": "scaled", "Other": ""}


def write(folder: Path, suite: Path, *, factor: float = 0.5, more: str = "", value: float = 0.5) -> Path:
    """A paper and the numbers beside it."""
    folder.mkdir(exist_ok=True)
    lines = [",".join(COLUMNS)]
    for printed, name in NAMES.items():
        for metric in ("lit@target", "lit@kept"):
            lines.append(f"small,cat,{printed},{name},{metric},{value},0 to 1,,a paper,secondary,its own,")
    lines.append("another,,SD,original,shine,3,score,,a paper,secondary,,")
    (folder / "numbers.csv").write_text("\n".join(lines) + "\n")
    path = folder / "somebody-2025.toml"
    path.write_text(PAPER.format(fakes=FAKES, suite=suite, factor=factor, more=more))
    return path


@pytest.fixture
def paper(tmp_path, tiny_suite):
    """Writes a paper of this test's own."""
    return partial(write, tmp_path / "papers", tiny_suite)


@dataclass(frozen=True)
class Ran:
    """A paper that was reproduced, by whom all may look at it."""

    path: Path
    suite: Path
    out: Path
    said: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Ran:
    from dumo_bench.cli.app import main

    root = tmp_path_factory.mktemp("reproduced")
    suite = root / "tiny.toml"
    suite.write_text(SUITE.format(model=tiny.folder()))
    path, to = write(root / "papers", suite), io.StringIO()
    with redirect_stdout(to), pytest.raises(SystemExit) as stop:
        main(["reproduce", str(path), "--out", str(root / "out")])
    assert not stop.value.code
    return Ran(path, suite, root / "out", to.getvalue())


def test_ours_is_what_run_makes_beside_the_numbers_that_paper_diff_compares(command, ran, tmp_path):
    said = command("reproduce", ran.path, "--out", ran.out, "--json")
    assert said.code == 0, said.err
    own = ("-m", "uce", "--set", "ridge=2.0", "-s", ran.suite, "--scorers", f"{FAKES}:Lit", "-o", tmp_path / "run")
    assert command("run", *own).code == 0
    alone = summary.read(tmp_path / "run")
    alone = alone[(alone["concept"] == "*") & (alone["metric"] == "lit") & (alone["method"] == "uce")]
    ours = {
        row["published"]["metric"]: row["ours"]
        for row in said.rows("numbers")
        if row["table"] == 1 and row["published"]["method"] == "UCE"
    }
    for role in ("target", "kept"):
        (one,) = alone[alone["role"] == role].to_dict("records")
        mine = ours[f"lit@{role}"]
        assert [mine[name] for name in ("value", "low", "high", "n")] == [
            one[name] for name in ("value", "low", "high", "n")
        ]
    rows = [row for row in published.load(ran.path.parent) if row.method == "UCE"]
    compared = published.compare(rows, published.Results(ran.out))
    assert {line.published.metric: line.ours.value for line in compared if line.ours} == {
        metric: one["value"] for metric, one in ours.items()
    }


def test_what_is_not_made_says_why(command, ran):
    said = command("reproduce", ran.path, "--out", ran.out, "--json")
    assert [row["why"] for row in said.rows("left_out")] == [
        "Other: Other is not built",
        "another, shine: its prompts are no suite here",
    ]
    dashes = [row for row in said.rows("numbers") if row["ours"] is None]
    assert {row["reasons"]["ours"] for row in dashes} == {"Other is not built", "its prompts are no suite here"}


def test_what_a_paper_does_otherwise_is_named(command, ran, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = command("reproduce", ran.path, "--table", 1, "--out", ran.out)
    assert "A paper: Somebody, 2025" in said.out and "Table 2." not in said.out
    assert "model: sd14; here " in said.out
    assert "sampler: lms; here ddim" in said.out and "guidance: 7.5; here 3" in said.out
    assert "steps: 2" not in said.out  # the same here
    assert "prompts: a thousand prompts; here those of our suite" in said.out
    assert "Its pictures are of cats and dogs, these of neither." in said.out
    paths = ("model: ", "details: ", str(ran.out.parent.parent))
    shown = [line for line in said.out.splitlines() if not any(path in line for path in paths)]
    assert all(len(line.rstrip()) <= 80 for line in shown)
    assert "\x1b" not in said.out


def test_the_same_again_makes_nothing_and_says_the_same(command, ran):
    again = command("reproduce", ran.path, "--out", ran.out)
    assert "made 1 edit" in ran.said and " edit" not in again.out
    assert ran.said[ran.said.index("A paper:") :].split() == again.out[again.out.index("A paper:") :].split()


def test_a_number_outside_of_the_interval_is_a_failure_where_that_is_asked_for(command, ran, tmp_path):
    path = write(tmp_path / "papers", ran.suite, value=40.0)
    asked = ("reproduce", path, "--method", "SD", "--out", ran.out)
    said = command(*asked, "--check")
    assert said.code == 1 and ": 2 differ\n" in said.out and "Table 2." not in said.out
    assert command(*asked).code == 0


def test_that_nothing_of_ours_was_measured_is_a_failure_where_a_check_is_asked_for(command, ran):
    asked = ("reproduce", ran.path, "--method", "Other", "--out", ran.out)
    said = command(*asked, "--check")
    assert said.code == 1 and "no number of ours" in said.err
    assert command(*asked).code == 0


def test_a_line_that_stopped_is_named_and_has_dashes(command, paper, tmp_path):
    said = command("reproduce", paper(factor=1e39), "--table", 1, "--out", tmp_path / "out")
    assert said.code == 1
    assert re.search(r"Stopped:\n- .*factor=1e\+39", said.out) and "not finite" in said.out
    half = said.out[said.out.index("Half ") :]
    assert half.splitlines()[1].split() == ["ours", "\N{EN DASH}", "\N{EN DASH}"]
    assert "\N{EN DASH}" not in said.out[said.out.index("UCE ") : said.out.index("Half ")]


def test_ours_is_of_the_settings_that_the_line_says(command, ran, tmp_path):
    """The folder has UCE with a ridge of 2, and a paper that asks for another one is beside nothing."""
    path = write(tmp_path / "papers", ran.suite)
    (grid,) = papers.beside(papers.read(str(path)).only(2, []).asked(out=str(ran.out)))
    assert len(grid.ours) == 1
    path.write_text(path.read_text().replace("ridge = 2.0", "ridge = 7.0"))
    (grid,) = papers.beside(papers.read(str(path)).only(2, []).asked(out=str(ran.out)))
    assert not grid.ours


def test_without_prompts_or_weights_it_says_what_to_type_and_shows_dashes(command, tmp_path):
    said = command("reproduce", "mace-2024", "--table", 1, "--out", tmp_path / "out")
    assert said.code == 2
    lines = said.err.splitlines()
    assert len(lines) == 2 and "hf download" in lines[0] and "dumo-bench prompts fetch i2p-4703" in lines[1]
    assert "61 published numbers, 0 of ours beside them" in said.out and "743" in said.out.split()
    assert not (tmp_path / "out").exists()
    as_json = command("reproduce", "mace-2024", "--table", 1, "--out", tmp_path / "out", "--json")
    assert as_json.code == 2 and len(as_json.rows("lacking")) == 2
    assert all(row["ours"] is None and row["reasons"]["ours"] for row in as_json.rows("numbers"))


def test_a_dry_run_makes_nothing(command, paper, tmp_path):
    said = command("reproduce", paper(), "--dry-run", "--limit", 1, "--out", tmp_path / "out", "--json")
    assert [(row["method"], row["pictures"]) for row in said.rows("plan")] == [("uce", 2), (f"{FAKES}:Scaled", 2)]
    assert not (tmp_path / "out").exists()
    assert command("reproduce", "mace-2024", "--dry-run", "--out", tmp_path / "out").code == 0


def test_what_is_typed_is_in_place_of_what_the_file_says(paper):
    found = papers.read(str(paper(more="limit = 3")))
    assert {row.request.limit for row in found.paper.rows()} == {3}
    assert {row.request.limit for row in found.asked(limit=1).paper.rows()} == {1}
    assert {row.request.limit for row in found.asked(budget="1h").paper.rows()} == {None}
    assert {row.request.model for row in found.asked(model="x").paper.rows()} == {"x"}


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("--table", 3), "--table 3: somebody-2025 has the tables 1, 2"),
        (("--method", "UCEE"), "methods of somebody-2025: nothing is called 'UCEE'. Did you mean 'UCE'"),
        (("--budget", "1h", "--limit", 2), "leave --limit and --shard out"),
    ],
)
def test_what_is_typed_wrong_is_one_line(command, paper, tmp_path, argv, says):
    said = command("reproduce", paper(), *argv, "--out", tmp_path / "out")
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1


def test_a_name_that_there_is_not_is_one_line_and_an_experiment_is_no_paper(command, tmp_path):
    assert "Did you mean 'dumo-2025'" in command("reproduce", "dumo-2024").err
    path = tmp_path / "e.toml"
    path.write_text('[[methods]]\nname = "uce"\n[[suites]]\nname = "emoji-cartoon"\n')
    assert f"type `dumo-bench run {path}`" in command("reproduce", path).err


def test_without_a_name_the_papers_are_listed(command):
    rows = command("reproduce", "--json").rows("papers")
    assert rows == command("list", "papers", "--json").rows("papers")
    assert {row["name"] for row in rows} == set(papers.names())


def test_a_paper_is_an_experiment_that_run_and_plan_take(paper, command, tmp_path):
    path = paper()
    planned = api.plan(file.read(path))
    assert [one.row.request.method for one in planned] == ["uce", f"{FAKES}:Scaled"]
    assert command("plan", path, "--json").rows("plan")[0]["pictures"] == 12


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[[tables]]", "[[tablez]]", "keys of paper: nothing is called 'tablez'"),
        ("metrics =", "metricz =", "keys of [[columns]] 1: nothing is called 'metricz'"),
        ('printed = "SD", ', "", "[[methods]] 1 lacks 'printed'"),
        ('title = "How lit pictures are"', "", "[[tables]] 1 lacks 'title': title = \"...\""),
        ('sources = ["a paper"]', "", "[[tables]] 1 lacks 'sources': sources = [\"...\"]"),
        ('name = "uce", settings = {ridge = 2.0}', "settings = {ridge = 2.0}", "the line 'UCE' has settings"),
        ('title = "A paper', 'methods = [{name = "uce"}]\ntitle = "A paper', "stand in its [[tables]]"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(paper, old, new, says):
    path = paper()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=re.escape(says)) as error:
        file.read(path)
    assert str(error.value).startswith(f"{path}:")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'sources = ["a paper"]',
            'sources = ["a papre"]',
            "sources: nothing is called 'a papre'. Did you mean 'a paper'",
        ),
        ('suite = "small"', 'suite = "smal"', "suites: nothing is called 'smal'. Did you mean 'small'"),
        ('case = "cat"', 'case = "cot"', "cases: nothing is called 'cot'. Did you mean 'cat'"),
        ('"lit@target"', '"lid@target"', "metrics: nothing is called 'lid@target'. Did you mean 'lit@target'"),
        ('printed = "Half"', 'printed = "Halve"', "columns: nothing is called 'Halve'. Did you mean 'Half'"),
    ],
)
def test_what_names_no_published_number_is_refused_before_anything_is_made(command, paper, tmp_path, old, new, says):
    """It would be made, for hours perhaps, and stand in no table."""
    path = paper()
    path.write_text(path.read_text().replace(old, new))
    said = command("reproduce", path, "--out", tmp_path / "out")
    assert said.code == 2 and says in said.err and len(said.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_sum_of_pictures_that_lack_is_named(paper, command, tmp_path):
    out = tmp_path / "out"
    command("reproduce", paper(), "--table", 2, "--limit", 2, "--out", out)
    found = papers.read(str(paper())).only(2, []).asked(out=str(out))
    (grid,) = papers.beside(found)
    some = [str(one) for one in papers.deviations(grid, found.paper)]
    assert some == ["pictures: a whole suite; here 1 a number, a part of it"]
    whole = replace(grid, numbers={}, beside={})
    assert papers.deviations(whole, found.paper) == []


def test_which_convention_counts_is_said_once_a_metric(tmp_path):
    """Boxes of NudeNet under the presets of papers, of which every part's closest is taken."""
    from test_published import nude, number

    rows = [number(f"nude parts, {part}", value, suite="s", n=3) for part, value in (("FEET", 1), ("total", 2))]
    nude(tmp_path)
    lines = published.compare(rows, published.Results(tmp_path))
    table = replace(papers.read("dumo-2025").paper.tables[0], sampled=(), differs=())
    grid = papers.Grid(1, table, (), {}, {(0, j): line for j, line in enumerate(lines)})
    (said,) = [one for one in papers.deviations(grid, papers.read("dumo-2025").paper) if one.what == "nude parts"]
    assert said.theirs == "its convention is not said"
    assert said.ours.startswith("nudenet ") and said.ours.count("3.4.2") == len(set(said.ours.split(" or ")))
