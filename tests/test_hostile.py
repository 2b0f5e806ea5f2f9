"""A results folder may be another's: nothing in it runs, leaves the page, or moves a terminal."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from rich.console import Console
from test_report import mean, results, tables

from dumo_bench import progress, report, texts
from dumo_bench.errors import UserError
from dumo_bench.report import console, gallery, latex, markdown
from dumo_bench.run import manifest
from dumo_bench.types import Sampling, digest

ROOT = Path(__file__).parents[1]
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
NASTY = (
    "![x](http://evil.example/a.png)",
    "[x](javascript:alert(1))",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\x1b]0;owned\x07\x1b[2J",
    "\x9b31m",
    "\u202edlrow",
    "\u2066a\u2069",
    "gh\u200bo\ufeffst\U000e0041",
    "[red]x[/nope]:ghost:",
    "=HYPERLINK(1)",
    "+1",
    "-1+1",
    "@SUM(1)",
    "\t=1",
    "a|b\nc",
    "$\\frac{1}",
    "&lt;b&gt;",
    "`x`",
    "\\input{/etc/passwd}",
    "${x}^2%#_~",
)
nasty = st.lists(st.sampled_from(NASTY) | st.text(max_size=8), min_size=1, max_size=3).map(" ".join)
quick = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


def cases(text: str) -> list[report.CaseTables]:
    """The tables of a folder all of whose free texts are one."""
    rows = [
        mean("original", "judge.erased", "target", 0.9, case=text),
        mean("dumo", "judge.erased", "target", None, case=text, note=text, n=0, n_missing=4),
        mean(text, "judge.erased", "target", 0.5, case=text),
    ]
    return [replace(one, warning=text, contract=text) for one in tables(rows)]


@quick
@given(nasty)
def test_no_text_is_alive_in_markdown(text):
    found = markdown.document(cases(text))
    bare = re.sub(r"\\.", "", found, flags=re.DOTALL)
    assert not re.search(r"!\[|\]\(|<(?!br>)|`", bare)
    lines = [one for one in bare.splitlines() if one.startswith("|")]
    assert len(lines) >= 5 and len({one.count("|") for one in lines}) == 1
    assert not UNSEEN.search(found)


@quick
@given(nasty)
def test_no_text_is_alive_in_latex(text):
    found = latex.document(cases(text))
    assert found.isascii() and not UNSEEN.search(found)
    assert "\\input" not in found and "\\frac" not in found
    assert all(re.fullmatch(r"[A-Za-z0-9-]{1,140}", name) for name in re.findall(r"label\{tab:(.*?)\}", found))


@quick
@given(nasty)
def test_no_text_moves_a_terminal(text):
    stream = io.StringIO()
    to = Console(file=stream, width=200, force_terminal=False)
    for thing in console.renderables(cases(text)):
        to.print(thing)
    assert not UNSEEN.search(stream.getvalue())


@given(st.text() | nasty)
def test_a_plain_text_holds_nothing_that_acts_and_can_be_written(text):
    for make in (texts.plain, texts.line):
        assert not UNSEEN.search(make(text))
        make(text).encode()
    assert "\n" not in texts.line(text)
    assert not texts.cell(text).lstrip(" ").startswith(("=", "+", "-", "@", "\t"))


def test_a_half_character_can_be_shown():
    assert texts.plain("a\ud800b") == "a\N{REPLACEMENT CHARACTER}b"


def test_csv_cells_begin_no_formula_and_numbers_stay():
    from dumo_bench.report import sheet

    shown = [case for text in NASTY for case in tables([mean("uce", "judge.object", "unrelated", -0.5, case=text)])]
    lines = list(csv.DictReader(io.StringIO(sheet.report(shown))))
    assert {line["value"] for line in lines} == {"-0.5"}
    told = [cell for line in lines for name, cell in line.items() if name not in ("value", "low", "high")]
    assert not [cell for cell in told if cell.startswith(("=", "+", "-", "@", "\t"))]
    assert any(line["case"] == "'=HYPERLINK(1)" for line in lines)


@pytest.mark.parametrize("text", NASTY)
def test_a_figure_shows_a_text_as_it_is(text):
    from dumo_bench.report import figures

    found = figures.tlmo(np.ones((4, 3), np.float32), text)
    assert not UNSEEN.search(found) and "<script" not in found


# --- the commands themselves


SAYING = ROOT.glob("dumo_bench/**/*.py")
DOORS = {"progress.py", "cli/show.py"}  # stderr, stdout


def test_nothing_but_two_doors_writes_to_a_terminal():
    """What passes them is made harmless there, whatever it is."""
    written = {
        str(path.relative_to(ROOT / "dumo_bench"))
        for path in SAYING
        if "emoji" not in path.parts  # built by their authors, from their own drawings
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and re.fullmatch(r"print|typer\.(echo|secho)|(sys\.)?std(out|err)\.write|click\..*echo", ast.unparse(node.func))
    }
    assert written - {"cli/app.py"} == DOORS  # the program's own version


@pytest.fixture
def hostile_suite(tiny_suite: Path) -> Path:
    """A suite all of whose free texts act where they are shown."""
    evil = json.dumps("x\x1b[31m\x07\u202e\u200b[red]a[/nope]:ghost:`b`|<b>\ty")
    text = tiny_suite.read_text().replace("cat = [", '"cat" = [').replace('"a cat"', evil)
    for plain in ("small", "written for this test", "MIT", "cat"):
        text = text.replace(f'"{plain}"', evil)
    tiny_suite.write_text(text)
    return tiny_suite


def test_no_command_lets_a_text_act(command, hostile_suite, tmp_path):
    (tmp_path / "bright.py").write_text("from fakes import Brightness\n")
    request, out = ("-m", "uce", "-s", hostile_suite), tmp_path / "out"
    scorers = ("--scorers", f"{tmp_path}/bright.py:Brightness")
    for argv in (
        ("plan", *request), ("run", *request, *scorers, "--out", out), ("report", out), ("paper-diff", "--out", out),
        ("compare", "original", "uce", "--out", out), ("prompts", "show", hostile_suite),
        ("prompts", "show", hostile_suite, "--json"), ("compare", "original", "uce", "--json", "--out", out),
    ):  # fmt: skip
        said = command(*argv)
        assert said.code == 0 and not UNSEEN.search(said.out + said.err), (argv, said)
    shown = command("prompts", "show", hostile_suite, "--json").rows("prompts")
    assert any("\x1b[31m\x07\u202e\u200b[red]" in one["text"] for one in shown)  # JSON gives it back as it is


def test_no_text_acts_in_a_bar_of_progress(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", screen := Terminal())
    for text in NASTY:
        assert list(progress.track([1, 2], text)) == [1, 2]
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", screen.getvalue())  # what the bar itself does
    assert "x[/nope]:ghost:" in bare and not UNSEEN.search(bare)


# --- nothing that a data file names is imported


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return results(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def mine(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "results")


def told(**more: object) -> dict[str, object]:
    """A manifest."""
    return {
        "suite": "emoji-cartoon", "suite_version": 1, "cases": ["ghost"], "wish": {"suite": "emoji-cartoon"},
        "model": "m", "model_hash": "h", "recipes": {}, "scorers": [], "runs": [], **more,
    }  # fmt: skip


def put(out: Path, said: object, name: str = "x") -> None:
    (out / "runs").mkdir(exist_ok=True)
    (out / "runs" / f"{name}.json").write_text(said if isinstance(said, str) else json.dumps(said))


def planted(out: Path, trap: Path) -> None:
    """A manifest whose suite and scorer leave a mark where they are imported."""
    code = f"import pathlib\npathlib.Path({str(trap)!r}).write_text('ran')\nThing = None\n"
    (trap.parent / "planted.py").write_text(code)
    names = [f"{trap.parent}/planted.py:Thing", "planted:Thing", "os:abort", "os:getcwd", "emoji-x@os:abort"]
    for n, name in enumerate(names):
        put(out, told(wish={"suite": name}, scorers=[name]), f"x{n}")


@pytest.mark.parametrize("argv", [("report",), ("nudenet",), ("compare", "original", "dumo", "--out")])
def test_nothing_that_a_manifest_names_is_imported(mine, tmp_path, argv):
    planted(mine, tmp_path / "ran")
    code = f"from dumo_bench.cli.app import main; main({[*argv, str(mine)]!r})"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode in (0, 2), found.stderr  # an abort is -6
    assert "Traceback" not in found.stderr, found.stderr
    assert not (tmp_path / "ran").exists()


def test_a_suite_of_this_project_and_a_toml_file_are_still_read(mine, bare_suite):
    put(mine, told(), "a")
    put(mine, told(wish={"suite": str(bare_suite)}), "b")
    assert {"emoji-cartoon", "small"} <= manifest.suites(mine).keys()


@pytest.mark.parametrize(
    "said",
    [
        "[1]", "null", "3", '"x"', "{}", "{", "[" * 100_000, "\x00", json.dumps(told(wish=[])),
        json.dumps(told(wish={})),
        json.dumps(told(scorers=[1])), json.dumps(told(cases=3)), json.dumps(told(runs={})),
        json.dumps(told(sampling={"colour": 1})), json.dumps(told(sampling={})), json.dumps(told(suite=None)),
        json.dumps(told(not_applicable="why")), json.dumps(told(model=1)),
    ],
    ids=range(18),
)  # fmt: skip
def test_an_odd_manifest_is_one_line(mine, command, said):
    put(mine, said)
    for argv in (("report", mine), ("compare", "original", "dumo", "--out", mine)):
        found = command(*argv)
        assert found.code == 2 and len(found.err.strip().splitlines()) == 1, found
        assert "x.json is broken" in found.err and "delete it" in found.err


def test_a_manifest_that_is_no_file_is_one_line(mine, command):
    (mine / "runs" / "x.json").mkdir(parents=True)
    assert command("report", mine).code == 2


def test_a_contract_of_an_early_manifest_is_still_told(tmp_path):
    said = {"model": "m", "scheduler": "ddim", "steps": 2, "guidance": 3.0, "height": 64, "width": 64}
    put(tmp_path, told(sampling=said))
    early = {name: value for name, value in asdict(Sampling(**said)).items() if name != "sampler"}  # type: ignore[arg-type]
    assert manifest.contracts(tmp_path)[digest(early)[:12]] == early


# --- pictures


@pytest.mark.parametrize("key", ["../../../secret", "ab/../../secret", "A" * 64, "a" * 63, "a" * 65, "", "\x00", "."])
def test_a_key_that_is_none_shows_no_picture(tmp_path, key):
    assert gallery.own(tmp_path, key) is None


def test_a_link_out_of_the_folder_shows_no_picture(tmp_path):
    out, secret, key = tmp_path / "out", tmp_path / "secret.png", "ab" * 32
    Image.new("RGB", (8, 8)).save(secret)
    place = gallery.image(out, key)
    place.parent.mkdir(parents=True)
    place.symlink_to(secret)
    assert gallery.own(out, key) is None
    place.unlink()
    shutil.copy(secret, place)
    assert gallery.own(out, key) == place


# --- weights


def test_no_code_beside_weights_runs(tmp_path):
    """A classifier whose configuration names code of its folder."""
    from dumo_bench.scorers import style_classifier

    code = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).write_text('ran')\n"
    model = tmp_path / "model"
    model.mkdir()
    (model / "evil.py").write_text(code)
    auto = {name: "evil.Thing" for name in ("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor")}
    config = {"model_type": "evil", "auto_map": auto, "architectures": ["Thing"]}
    for name in ("config.json", "preprocessor_config.json"):
        (model / name).write_text(json.dumps(config))
    with pytest.raises(UserError, match="can be loaded from it"):
        style_classifier._load(str(model), "cpu")
    assert not (tmp_path / "ran").exists()


def test_every_from_pretrained_is_closed():
    package = Path(report.__file__).parents[1]
    calls = [
        ast.unparse(node)
        for path in package.rglob("*.py")
        if "emoji" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained")
    ]
    assert len(calls) >= 9
    assert [call for call in calls if "hub.CLOSED" not in call and "hub.LOCAL" not in call] == []
