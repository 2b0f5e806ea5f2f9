"""What a report says of attacks: success over seeds beside the unedited model and fresh noise at an equal budget."""

from __future__ import annotations

import csv
import json
import re

import pytest

from dumo_bench.analysis.attacks import Share, Success
from dumo_bench.report.captions import DASH
from dumo_bench.types import Recipe, Search

FOUND = """
from dataclasses import dataclass
from typing import ClassVar
from dumo_bench.interfaces import Attack
from dumo_bench.types import Found

@dataclass(frozen=True)
class Known(Attack):
    name: ClassVar[str] = "known"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this test"
    sees: ClassVar[str] = "SEES"

    def search(self, target, *, seed):
        for text in target.texts:
            yield Found(f"{text} again", forwards=8)
"""
#: of the attack's two pictures the first shows it, of the plain prompts' four on uce none or one, on the unedited all
SCORER = """
from dataclasses import dataclass
from typing import ClassVar
from dumo_bench.interfaces import Scorer
from dumo_bench.types import Metric, Score

@dataclass(frozen=True)
class Fake(Scorer):
    name: ClassVar[str] = "fake"
    version: ClassVar[str] = "1"
    cite: ClassVar[str] = "this test"
    metrics = (Metric("fake.erased", "yes or no", "lower", kind="rate", measures="erased"),)

    def score(self, samples):
        return [[Score("fake.erased", float(self.shows(one)))] for one in samples]

    def shows(self, one):
        if one.job.recipe.method == "original":
            return True
        return one.draw.index == 0 if one.role == "attack" else PLAIN
"""


@pytest.fixture
def reported(command, tiny_suite, tmp_path):
    """`reported(sees, plain)`: attacks.csv of an attack that was made, run and reported."""

    def made(sees: str, plain: str) -> list[dict[str, str]]:
        file = tmp_path / f"known_{sees.replace(' ', '_')}.py"
        file.write_text(FOUND.replace("SEES", sees))
        (tmp_path / "fake.py").write_text(SCORER.replace("PLAIN", plain))
        asked = ("--attack", f"{file}:Known", "--method", "uce", "--suite", tiny_suite, "--case", "cat")
        said = command("attack", *asked, "--pictures", 2, "--out", tmp_path / "r")
        assert said.code == 0, said.err
        for suite in said.out.split():
            scored = ("--scorers", f"{tmp_path}/fake.py:Fake", "--out", tmp_path / "r")
            ran = command("run", "--method", "uce", "--suite", suite, *scored)
            assert ran.code == 0, ran.err
        told = command("report", tmp_path / "r")
        assert told.code == 0 and "attacks.md" in told.out, told.err
        with open(tmp_path / "r" / "attacks.csv", newline="") as file:
            return list(csv.DictReader(file))

    return made


def test_success_stands_beside_the_unedited_model_and_fresh_noise_at_an_equal_budget(reported, tmp_path):
    rows = {row["method"]: row for row in reported("text encoder", "False")}
    assert rows.keys() == {"original", "uce"}
    uce = rows["uce"]
    assert (uce["attacked_value"], uce["attacked_pictures"], uce["attacked_prompts"]) == ("0.5", "4", "2")
    assert (uce["plain_value"], uce["plain_pictures"]) == ("0.0", "8"), "8 forwards are 2 pictures of 2 steps more"
    assert (uce["ever_value"], uce["ever_plain_value"], uce["gain_value"]) == ("1.0", "0.0", "1.0")
    assert (uce["unedited_value"], uce["forwards"], uce["failed"]) == ("1.0", "8", "False")
    assert float(uce["ever_low"]) < 1 and uce["gain_low"] == "", "two prompts alike tell no interval of a gain"
    page = (tmp_path / "r" / "attacks.md").read_text()
    assert page.count("## Sees: text encoder") == 1 and "failed**" not in page


def test_an_attack_that_never_beats_fresh_noise_is_reported_as_failed(reported, tmp_path):
    rows = reported("text encoder", "one.draw.index < 3")
    assert {row["failed"] for row in rows} == {"True"} and "-0.25" in {row["more_value"] for row in rows}
    assert {row["gain_value"] for row in rows} == {"0.0"} and "(**failed**)" in (tmp_path / "r/attacks.md").read_text()


def test_where_fresh_noise_reaches_every_prompt_too_the_share_of_pictures_decides(reported, tmp_path):
    rows = {row["method"]: row for row in reported("text encoder", "one.draw.index == 3")}
    assert (rows["uce"]["gain_value"], rows["uce"]["more_value"], rows["uce"]["failed"]) == ("0.0", "0.25", "False")


def test_of_an_attack_on_an_edit_the_unedited_model_is_attacked_for_itself(reported, tmp_path):
    rows = reported("erased model", "False")
    on_edit = [row for row in rows if row["searched_on"] == "uce" and row["method"] == "uce"]
    assert len(on_edit) == 1 and on_edit[0]["unedited_value"] == "1.0"
    page = (tmp_path / "r" / "attacks.md").read_text()
    assert "searched on uce" in page and "\\*" in page and "## Sees: erased model" in page


def test_threat_models_are_never_in_one_table(reported, tmp_path):
    reported("text encoder", "False")
    reported("nothing", "False")
    page = (tmp_path / "r" / "attacks.md").read_text()
    tables = page.split("## Sees: ")[1:]
    assert {part.split(";")[0] for part in tables} == {"nothing", "text encoder"} and len(tables) == 2
    assert all(part.count("| known |") == 3 for part in tables)


STRONG = FOUND.replace('SEES"', 'SEES"\n    strength: int = 1').replace("again", "{self.strength} again")


@pytest.fixture
def several(command, tiny_suite, tmp_path):
    """`several(asked, ran)`: attacks.csv, attacks.md of an attack with each of some options, and methods run on it."""
    file, fake, out = tmp_path / "strong.py", tmp_path / "fake.py", tmp_path / "r"
    file.write_text(STRONG.replace("SEES", "erased model"))
    fake.write_text(SCORER.replace("PLAIN", "False"))

    def made(asked: list[tuple], ran: list[tuple]) -> tuple[list[dict[str, str]], str]:
        for options in asked:
            about = ("--attack", f"{file}:Known", "--suite", tiny_suite, "--case", "cat", "--out", out)
            said = command("attack", *about, "--pictures", 2, *options)
            assert said.code == 0, said.err
        for suite in sorted((out / "attacks").glob("*.toml")):
            for options in ran:
                done = command("run", *options, "--suite", suite, "--scorers", f"{fake}:Fake", "--out", out)
                assert done.code == 0, done.err
        if not ran:
            return [], ""
        assert command("report", out).code == 0
        with open(out / "attacks.csv", newline="") as text:
            return list(csv.DictReader(text)), (out / "attacks.md").read_text()

    return made


def lines(page: str) -> list[str]:
    """The rows of the page's tables, as far as they say what they are of; not those of attacks x methods."""
    parts = (part.partition("Each with what it is beside")[2] for part in page.split("## Sees"))
    rows = (line for part in parts for line in part.splitlines() if line.startswith("| known"))
    return ["|".join(line.split("|")[1:4]) for line in rows]


def test_rows_of_one_attack_say_which_settings_and_seed_they_are_of(several):
    asked = [(), ("--attack-set", "strength=2"), ("--seed", 1)]
    rows, page = several(asked, [("--method", "uce")])
    labels = {(row["attack_label"], row["method_label"]) for row in rows}
    attacks = {"known (strength=1, seed 0)", "known (strength=2, seed 0)", "known (strength=1, seed 1)"}
    assert labels == {(one, method) for one in attacks for method in ("uce", "original")}
    assert len(lines(page)) == len(set(lines(page))) == 6
    assert "known (strength=2, seed 0): strength=2." in page and "known (strength=1, seed 1): strength=1." in page


def test_rows_of_one_method_say_which_settings_they_are_of_and_on_which_an_attack_was_searched(several):
    searched = [("--method", "uce", "--set", f"ridge={n}") for n in (1, 3)]
    rows, page = several(searched, searched)
    edits = {"uce (ridge=1)", "uce (ridge=3)"}
    on_edits = {(r["searched_on_label"], r["method_label"]) for r in rows if r["searched_on"]}
    assert on_edits == {(on, method) for on in edits for method in (*edits, "original")}, (
        "where it was not searched too"
    )
    assert len(lines(page)) == len(set(lines(page))) == 9


def test_an_edit_that_nothing_was_measured_of_is_told_by_its_key(several):
    rows, _ = several([("--method", "uce")], [("--method", "original")])
    on = {row["searched_on_label"] for row in rows if row["searched_on"]}
    assert on == {f"uce {row['edit'][:8]}" for row in rows if row["edit"]}


def test_searches_that_differ_in_their_prompts_alone_name_their_suites(several):
    rows, page = several([(), ("--limit", 3)], [("--method", "uce")])
    assert {row["attack_label"] for row in rows} == {f"known, suite {row['suite']}" for row in rows}
    assert len(lines(page)) == len(set(lines(page))) == 4


def test_settings_that_an_earlier_version_wrote_in_words_still_tell_rows_apart(several, tmp_path):
    several([(), ("--attack-set", "strength=2")], [])
    for suite in (tmp_path / "r/attacks").glob("*.toml"):
        words = (
            suite.read_text()
            .replace(r'"{\"strength\":1}"', '"strength=1"')
            .replace(r'"{\"strength\":2}"', '"strength=2"')
        )
        suite.write_text(words)
    rows, _ = several([], [("--method", "uce")])
    assert {row["attack_label"] for row in rows} == {"known (settings=strength=1)", "known (settings=strength=2)"}


def test_the_page_s_chart_calls_its_rows_as_the_table_does(several, tmp_path):
    searched = [("--method", "uce", "--set", f"ridge={n}") for n in (1, 3)]
    several(searched, searched)
    page = (tmp_path / "r" / "report.html").read_text()
    assert "known searched on uce (ridge=1): uce (ridge=3), cat" in page


def test_the_page_has_one_part_of_attacks_with_those_of_all_suites(several, tmp_path):
    methods = [("--method", "uce"), ("--method", "rece")]
    several(methods, methods)
    page = (tmp_path / "r" / "report.html").read_text()
    part = page.split('<section id="attacks"')[1].split("</section>")[0]
    assert page.count('<section id="attacks"') == 1 and '<a href="#attacks">' in page
    heads = re.findall(r'<th scope="(?:col|row)">([^<]*)', part)
    assert heads == ["attack", "case", "original", "rece", "uce", "plain prompts", "known"]
    assert "<h3>Attacks that see: erased model; fake.erased</h3>" in part
    assert re.findall(r"<td>([^<]*)", part)[4:] == ["cat", "1.00", "0.50", "0.50"]


def test_a_report_says_what_attacks_bring_back_and_not_that_plain_prompts_show_nothing(several, command, tmp_path):
    several([("--method", "uce")], [("--method", "uce")])
    told = (command(*v, "report", tmp_path / "r", "--no-images").out for v in ((), ("-v",)))
    short, whole = (" ".join(text.split()) for text in told)
    said = re.compile(r"uce shows cat in 0\.50 (\[.{10}\] )?of 4 pictures under known \(plain prompts 0\.00 \[0\.00, ")
    assert "Attacks that see: erased model; fake.erased" in short and said.search(short)
    assert "erasing cat" not in short and "erasing cat" in whole, "of each search's own suite with -v alone"
    first, _, after = (tmp_path / "r" / "report.md").read_text().partition("## What attacks bring back")
    assert "erasing cat" not in first and "erasing cat" in after and "under known" in after
    page = (tmp_path / "r" / "report.html").read_text()
    assert re.findall(r'<li><a href="([^"]*)', page.split("</nav>")[0]) == ["#overview", "#attacks"]
    overview, _, rest = page.partition('<section id="attacks"')
    assert said.search(overview) and "erasing cat" not in overview and "erasing cat" in rest
    assert "0.50 under attack (unedited 1.00)" in re.sub(r" \[[^]]*\]", "", rest)


def test_a_suite_of_an_attack_that_is_broken_is_said_and_the_rest_reported(several, command, tmp_path):
    several([("--method", "uce"), ("--method", "rece")], [("--method", "uce")])
    broken = next((tmp_path / "r" / "attacks").glob("known-rece-*.csv"))
    broken.write_text(broken.read_text()[:40])
    said = command("report", tmp_path / "r", "--no-images")
    assert said.code == 0 and f"what {broken.stem} brought back is in no table of attacks" in " ".join(said.err.split())
    assert "uce shows cat" in said.out and "searched on rece" not in (tmp_path / "r" / "attacks.md").read_text()


def test_a_results_folder_that_was_moved_still_knows_what_its_attacks_are(several, command, tmp_path):
    rows, page = several([()], [("--method", "uce")])
    (tmp_path / "r").rename(tmp_path / "elsewhere")
    assert command("report", tmp_path / "elsewhere").code == 0
    assert rows and (tmp_path / "elsewhere" / "attacks.md").read_text() == page


def controlled(command, out) -> tuple[list[dict[str, str]], str]:
    """attacks.csv and attacks.md with RECE as the control."""
    said = command("report", out, "--control", "rece", "--no-images")
    assert said.code == 0, said.err
    with open(out / "attacks.csv", newline="") as text:
        return list(csv.DictReader(text)), (out / "attacks.md").read_text()


def test_attacks_times_methods_stand_at_a_glance_with_each_search_on_its_own_edit(several):
    """The unedited model is searched for itself, beside each."""
    methods = [("--method", "uce"), ("--method", "rece")]
    _, page = several([*methods[:1], ("--method", "rece", "--attack-set", "strength=2")], methods)
    said = page.split("Each with what it is beside")[0].splitlines()
    head, _, plain, once, twice = ([cell.strip() for cell in line.split("|")[1:-1]] for line in said[-6:-1])
    assert head == ["attack", "case", "original", "rece", "uce"]
    assert [plain[0], once[0], twice[0]] == ["plain prompts", "known (strength=1)", "known (strength=2)"]
    assert plain[1] == "cat" and [cell[:4] for cell in plain[2:]] == ["1.00", "0.00", "0.00"]
    assert [cell[:4] for cell in once[2:]] == ["1.00", DASH, "0.50"], "of RECE not what the search on UCE showed"
    assert [cell[:4] for cell in twice[2:]] == ["1.00", "0.50", DASH]


def test_the_success_on_a_control_stands_in_every_row(several, command, tiny_suite, tmp_path):
    six = [f"{kind} of {{thing}}" for kind in ("a photo", "a drawing", "a sketch", "a print", "a view", "a copy")]
    tiny_suite.write_text(tiny_suite.read_text().replace('["{thing}", "a photo of {thing}"]', json.dumps(six)))
    several([("--method", "uce"), ("--method", "rece")], [("--method", "uce"), ("--method", "rece")])
    rows, page = controlled(command, tmp_path / "r")
    own = {(r["searched_on_label"], r["method"]): r["control_value"] for r in rows}
    assert own["uce", "uce"] == own["rece", "rece"] == own["uce", "original"] == "0.5"
    assert {row["on_control_too"] for row in rows} == {"True"} and "(**on the control too**)" in page
    assert "| unedited | control | plain |" in page, "a column of the table"
    assert '"what":"control"' in (tmp_path / "r" / "report.html").read_text(), "a point of the page's chart"


def test_an_attack_that_gives_too_few_prompts_is_told_in_one_line(command, tiny_suite, tmp_path):
    (tmp_path / "few.py").write_text(FOUND.replace("SEES", "nothing").replace("target.texts:", "target.texts[1:]:"))
    asked = ("--attack", f"{tmp_path}/few.py:Known", "--suite", tiny_suite, "--case", "cat", "--out", tmp_path / "r")
    said = command("attack", *asked)
    assert said.code == 2 and "attack known: its search gave 1 prompts, wanted 2" in said.err
    assert not (tmp_path / "r" / "attacks").exists()


def test_of_few_prompts_no_gain_is_significant():
    def attacked(prompts: int, low: float | None = None) -> Success:
        whole, none = (Share(value, None, None, prompts, prompts) for value in (1.0, 0.0))
        gain = Share(1.0, low, None, prompts, prompts)
        recipe = Recipe("uce", "1", {}, ("cat",), 0, "")
        search = Search("known", "1", "nothing", "", 0, "", "", "")
        return Success("small", "cat", search, "fake.erased", recipe, whole, whole, none, none, gain, gain)

    assert [attacked(n).significant for n in (1, 2, 5, 6)] == [False, False, False, True]
    assert [attacked(n, low=0.5).significant for n in (4, 6)] == [False, True]
    assert not attacked(6, low=0.0).significant


def test_without_a_control_there_is_neither_a_column_nor_a_point_of_it(several, tmp_path):
    rows, page = several([("--method", "uce")], [("--method", "uce")])
    assert not {row["on_control_too"] for row in rows} - {""}
    assert "| unedited | plain |" in page and "--control METHOD" in page
    assert '"what":"control"' not in (tmp_path / "r" / "report.html").read_text()


def test_an_attack_that_is_no_better_on_the_control_is_not_marked(several, command, tmp_path):
    fake = SCORER.replace("one.draw.index == 0 if", "one.job.recipe.method == 'uce' if").replace("PLAIN", "False")
    (tmp_path / "fake.py").write_text(fake)
    searched = [("--method", "uce"), ("--method", "rece")]
    several(searched, searched)
    rows, page = controlled(command, tmp_path / "r")
    uce = next(row for row in rows if (row["searched_on_label"], row["method"]) == ("uce", "uce"))
    assert (uce["attacked_value"], uce["control_value"], uce["on_control_too"]) == ("1.0", "0.0", "False")
    assert "on the control too" not in page.split("## Sees")[1]


@pytest.mark.parametrize("words", [("report", "--no-images"), ("view", "--no-browser")], ids=lambda words: words[0])
def test_a_control_that_was_not_attacked_is_said(several, command, tmp_path, words):
    several([("--method", "uce")], [("--method", "uce")])
    said = command(words[0], tmp_path / "r", *words[1:], "--control", "rce")
    assert said.code == 2 and "'rce'" in said.err and "uce" in said.err
