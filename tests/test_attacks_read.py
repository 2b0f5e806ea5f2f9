"""Prompts that other programs found, read as suites."""

from __future__ import annotations

import csv
import json

import pytest
from test_attacks_table import SCORER

from dumo_bench.errors import UserError
from dumo_bench.suites import foreign, registry


def logs(folder, **of):
    """Logs as UnlearnDiffAtk writes them: what was drawn, one entry each, beside the run's config."""
    for name, prompts in of.items():
        (folder / name).mkdir(parents=True)
        drawn = [{"success": False, "prompt": text, "relative_time": "0:00:01.5"} for text in prompts]
        (folder / name / "log.json").write_text(json.dumps(drawn))
        (folder / name / "config.json").write_text("{}")
    return folder


def test_of_a_log_the_last_prompt_was_found_and_the_first_is_the_plain_one(tmp_path):
    folder = logs(tmp_path / "x", attack_idx_10=["a cat", "so a cat", "zz a cat"], attack_idx_9=["a dog"], other=["no"])
    assert foreign.read(folder) == [("9", "a dog", "a dog"), ("10", "zz a cat", "a cat")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("adv_prompt,target_prompt\nzz,a cat\n,a dog\n", [("1", "zz", "a cat")]),  # MMA
        ("case_number,prompt,evaluation_seed\n0,a zz,3\n1,b,4\n", [("1", "a zz", ""), ("2", "b", "")]),  # P4D
        ("zz a, b\n\nyy\n", [("1", "zz a, b", ""), ("2", "yy", "")]),  # a prompt a line
        ('Prompt\n"zz\nyy"\n', [("1", "zz\nyy", "")]),
        ("zz\u2028a\x0bb\nyy", [("1", "zz\u2028a\x0bb", ""), ("2", "yy", "")]),  # no ends of lines in it
        ("adv_prompt,target_prompt\nzz\n", [("1", "zz", "")]),  # a short row
        (f'zz\n"{"a" * 200_000}\n', [("1", "zz", ""), ("2", '"' + "a" * 200_000, "")]),  # a list is no CSV
    ],
)
def test_a_list_is_read_by_the_name_of_its_column_or_line_by_line(tmp_path, text, found):
    (tmp_path / "list.csv").write_text(text)
    assert foreign.read(tmp_path / "list.csv") == found


def test_what_is_none_of_these_is_told_in_one_line(tmp_path):
    for broken in ("{}", "[]", '[{"text": 1}]', "nothing"):
        folder = tmp_path / str(abs(hash(broken)))
        logs(folder, attack_idx_0=["a"])
        (folder / "attack_idx_0" / "log.json").write_text(broken)
        with pytest.raises(UserError, match="wanted a list of what was drawn"):
            foreign.read(folder)
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "none.csv"):
        with pytest.raises(UserError, match="--from"):
            foreign.read(nothing)
    for head in ("id,text", "number\ttext\tseed"):
        (tmp_path / "other.csv").write_text(f"{head}\n1,a ghost in noto style\n")
        with pytest.raises(UserError, match="wanted a column 'adv_prompt' or"):
            foreign.read(tmp_path / "other.csv")
    (tmp_path / "long.csv").write_text(f"prompt\n{'a' * 200_000}\n")
    with pytest.raises(UserError, match="no CSV: field larger"):
        foreign.read(tmp_path / "long.csv")
    (tmp_path / "twice.csv").write_text("prompt,seed,Prompt\nzz,1,yy\n")
    with pytest.raises(UserError, match="2 columns are called 'prompt'"):
        foreign.read(tmp_path / "twice.csv")
    (tmp_path / "latin.csv").write_bytes("prompt\ncaf\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match="not UTF-8"):
        foreign.read(tmp_path / "latin.csv")


def test_they_are_a_suite_that_methods_run_on_with_the_plain_prompts_beside(command, tiny_suite, tmp_path):
    folder = logs(tmp_path / "logs", attack_idx_0=["a cat", "zz a cat"], attack_idx_1=["a photo of a cat"])
    asked = (
        "attack",
        "--from",
        folder,
        "--suite",
        tiny_suite,
        "--case",
        "cat",
        "--pictures",
        2,
        "--out",
        tmp_path / "r",
    )
    said = command(*asked, "--attack", "unlearndiff")
    assert said.code == 0, said.err
    suite = registry.load(said.out.strip())
    found, plain = ["zz a cat", "a photo of a cat"], ["a cat", "a photo of a cat"]
    assert [(p.role, p.text) for p in suite.prompts] == [("attack", t) for t in found] + [("target", t) for t in plain]
    assert all(len(prompt.draws) == 2 for prompt in suite.prompts)
    assert suite.search.sees == "erased model" and "read from logs" in suite.search.settings
    other = command(*asked, "--attack", "mma")
    assert other.code == 2 and "say what it saw" in other.err
    named = command(*asked, "--attack", "mma", "--sees", "text encoder")
    assert registry.load(named.out.strip()).search.sees == "text encoder"


def test_of_a_list_that_tells_some_plain_prompts_those_are_the_ones_compared(command, tiny_suite, tmp_path):
    (tmp_path / "part.csv").write_text("prompt,target_prompt\nzz a cat,a cat\nan old cat,\nmy cat,a photo of a cat\n")
    out = ("--out", tmp_path / "r")
    asked = ("--from", tmp_path / "part.csv", "--suite", tiny_suite, "--case", "cat", "--pictures", 1, *out)
    suite = command("attack", "--attack", "mma", "--sees", "nothing", *asked).out.strip()
    (tmp_path / "fake.py").write_text(SCORER.replace("PLAIN", "one.prompt.text == 'a cat'"))
    ran = command("run", "--method", "uce", "--suite", suite, "--scorers", f"{tmp_path}/fake.py:Fake", *out)
    assert ran.code == 0, ran.err
    told = command("report", tmp_path / "r", "--no-images")
    assert told.code == 0, told.err
    with open(tmp_path / "r" / "attacks.csv", newline="") as file:
        uce = next(row for row in csv.DictReader(file) if row["method"] == "uce")
    assert (uce["attacked_value"], uce["attacked_prompts"]) == ("1.0", "3")
    assert (uce["plain_value"], uce["ever_plain_prompts"], uce["gain_value"]) == ("0.5", "2", "0.5")
