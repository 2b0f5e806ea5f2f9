"""Lists as they are published: docs/suites.md has a suite's [csv] for each kind, and these are run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from suite_head import HEAD

from dumo_bench.errors import UserError
from dumo_bench.suites import registry
from dumo_bench.suites.blocks import expand
from dumo_bench.suites.strata import finder

PAGE = (Path(__file__).parents[1] / "docs" / "suites.md").read_text(encoding="utf-8")
SHOWN = {name: (toml, rows) for toml, name, rows in
         re.findall(r"```toml\n(# (\S+)\.toml\n.*?)```\n```csv\n(.*?)```", PAGE, re.DOTALL)}  # fmt: skip


def read(tmp_path: Path, toml: str, rows: str):
    (tmp_path / f"{re.findall('file = .(.*).csv', toml)[0]}.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(f"{HEAD}\n{toml}", encoding="utf-8")
    return registry.load(str(tmp_path / "mine.toml"))


def shown(tmp_path, name: str):
    return read(tmp_path, *SHOWN[name])


def test_the_page_shows_every_kind():
    assert set(SHOWN) == {"lines", "one-concept", "roles", "strata", "twice"}


def test_a_list_without_ids_and_seeds_of_one_concept_with_a_blank_last_line(tmp_path):
    first, second = shown(tmp_path, "one-concept").prompts
    assert [(p.id, p.concept) for p in (first, second)] == [("1", "cat"), ("2", "cat")]
    assert len({draw.seed for p in (first, second) for draw in p.draws}) == 4
    toml, rows = SHOWN["one-concept"]
    more = read(tmp_path, toml, rows.replace("prompt\n", "prompt\nan owl\n"))
    assert [p.draws for p in more.prompts[1:]] == [first.draws, second.draws]


def test_a_text_that_comes_again_has_other_seeds(tmp_path):
    toml, _ = SHOWN["one-concept"]
    found = read(tmp_path, toml, "prompt\na cat\na cat\n").prompts
    assert len({draw.seed for p in found for draw in p.draws}) == 4


def test_the_role_in_a_column(tmp_path):
    suite = shown(tmp_path, "roles")
    assert [suite.role(suite.cases[0], p) for p in suite.prompts] == ["target", "unrelated", "target"]
    toml, rows = SHOWN["roles"]
    with pytest.raises(UserError, match=r"roles.csv:3: split is one of target"):
        read(tmp_path, toml, rows.replace("retain", "regain"))


def test_strata_of_several_words_and_of_any_script(tmp_path):
    assert [p.concept for p in shown(tmp_path, "strata").prompts] == ["street food", "other", "cat"]
    assert finder({"a": ["one two three"], "b": ["two"]})("One, two THREE") == "a"


def test_a_column_that_is_there_twice_is_named_by_its_number(tmp_path):
    suite = shown(tmp_path, "twice")
    assert [p.text for p in suite.prompts] == ["a cat", "a dog"]
    toml, rows = SHOWN["twice"]
    with pytest.raises(UserError, match=r"twice.csv:1: 2 columns are called 'prompt': name one by its number, 2 or 3"):
        read(tmp_path, toml.replace("text = 3", 'text = "prompt"'), rows)
    with pytest.raises(UserError, match="there is no column 9: the file has 4"):
        read(tmp_path, toml.replace("text = 3", "text = 9"), rows)


def test_a_list_without_a_header(tmp_path):
    toml = "[csv]\nfile = 'x.csv'\nheader = false\nconcept = 'cat'\nseeds = [5]\n[csv.columns]\ntext = 1\n"
    toml = toml.replace("'", '"')
    assert [(p.id, p.text) for p in read(tmp_path, toml, "a cat\na tabby\n,\n".replace(",", "")).prompts] == [
        ("1", "a cat"), ("2", "a tabby"),
    ]  # fmt: skip


CELLS = """[csv]
file = "cells.csv"
[csv.columns]
id = "n"
text = "prompt"
concept = "class"
role = "split"
seed = "seed"
guidance = "scale"
"""


def row(tmp_path, **cells):
    given = {"n": "1", "prompt": "a cat", "class": "cat", "split": "", "seed": "5", "scale": "7", **cells}
    return read(tmp_path, CELLS, f"{','.join(given)}\n{','.join(given.values())}\n")


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ({"scale": "1_0"}, "scale is a number"),
        ({"scale": "\uff17"}, "scale is a number"),
        ({"scale": "0x7"}, "scale is a number"),
        ({"seed": "\uff15"}, "seed is a whole number"),
        ({"seed": "1_0"}, "seed is a whole number"),
        ({"seed": " "}, "the row has no seed"),
        ({"n": " "}, "the row has no n"),
        ({"class": ""}, "the row has no class"),
        ({"class": "\u200b"}, "the row has no class"),
    ],
    ids=str,
)
def test_a_cell_that_says_nothing_or_no_number_is_refused_with_its_line(tmp_path, cells, says):
    with pytest.raises(UserError, match=r"cells.csv:2: ") as error:
        row(tmp_path, **cells)
    assert says in str(error.value)


def test_blanks_around_a_number_are_no_part_of_it_and_minus_zero_is_zero(tmp_path):
    (plain,), (blanks,) = (row(tmp_path, **cells).prompts for cells in ({}, {"seed": " 5 ", "scale": "\t7.0"}))
    assert plain == blanks
    (zero,) = row(tmp_path, scale="-0").prompts
    assert str(zero.guidance) == "0.0"


def test_a_row_without_a_concept_may_state_its_role(tmp_path):
    rows = "n,prompt,class,split,seed,scale\n1,a cat,cat,,5,7\n2,a dog,,unrelated,6,7\n"
    assert [prompt.concept for prompt in read(tmp_path, CELLS, rows).prompts] == ["cat", ""]


def test_a_list_without_rows_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cells.csv has no rows"):
        read(tmp_path, CELLS, "n,prompt,class,split,seed,scale\n")


def test_a_word_is_found_as_a_word_whatever_its_script_its_form_and_its_digits():
    find = finder({"decade": ["80s"], "cat": ["кот", "café", "बिल्ली", "猫"], "shirt": ["t-shirt"]})
    texts = [
        "the 80s",
        "a cat's 80 hats",
        "кот.",
        "который",
        "CAFE\u0301",
        "cafés",
        "एक बिल्ली!",
        "बिल",
        "黒猫",
        "t\u2011shirt",
    ]
    wanted = ["decade", "other", "cat", "other", "cat", "other", "cat", "other", "cat", "shirt"]
    assert list(map(find, texts)) == wanted


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('concept = "cat"\n', "", "a concept is a column"),
        ("seeds = 2", "", "lacks 'seed'"),
        ('text = "prompt"', "", "lacks 'text'"),
        ('text = "prompt"', "text = 0", "its number from 1"),
        ('text = "prompt"', "text = true", "its number from 1"),
        ("seeds = 2", 'seeds = 2\nroles = {a = "target"}', "lacks 'role'"),
        ('concept = "cat"', 'strata = {cat = ["!"]}', "has no letter or digit"),
        ('text = "prompt"', 'text = "prompt"\nrole = 1\n[csv.roles]\nA = "target"\na = "related"', "two things of 'a'"),
        ('text = "prompt"', 'text = "prompt"\nrole = 1\n[csv.roles]\n"" = "target"', "an empty cell has no role"),
    ],
)
def test_what_a_list_cannot_be_read_by_is_said(tmp_path, old, new, says):
    toml, rows = SHOWN["one-concept"]
    with pytest.raises(UserError, match=r"mine.toml:\d+: ") as error:
        read(tmp_path, toml.replace(old, new), rows)
    assert says in str(error.value)


def test_blocks_have_ids_in_any_script():
    texts = {"concepts": ["猫", "犬", "кот", "a café", "a cafe", "!"], "templates": ["{thing}"], "seeds": [1]}
    ids = [prompt.id for prompt in expand(texts, explicit=False)]
    assert len(set(ids)) == 6 and all(ids) and "a-cafe" in ids
