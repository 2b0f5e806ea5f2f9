"""Concepts that differ only in how they are typed are one concept, wherever it is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.analysis import coverage, kinds
from dumo_bench.errors import UserError
from dumo_bench.scorers.clip_accuracy import ClipAccuracy
from dumo_bench.scorers.concept import Concept, Seen, verdicts
from dumo_bench.suites import concepts, registry
from dumo_bench.suites.content import content
from dumo_bench.types import spelt

SPELLINGS = [
    ("Ghost", "ghost"),
    ("vincent  van\u00a0gogh ", "Vincent Van Gogh"),
    ("ｃａｆé", "Cafe\u0301"),
    ("STRASSE", "straße"),
    ("O\u2019Keeffe", "o'keeffe"),
    ("Henri de Toulouse\u2011Lautrec", "henri de toulouse\u2013lautrec"),
    ("\ufeffVan Gogh\u200b", "Van\u00ad Gogh\x00"),
    ("❤\ufe0f", "❤"),
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
def test_spellings_of_one_concept_are_one(one, other):
    assert spelt(one) == spelt(other)


@given(st.text())
def test_spelling_twice_changes_nothing(text):
    assert spelt(spelt(text)) == spelt(text)


@pytest.mark.parametrize("text", ["cat", "cats", "猫", "ねこ", "кот", "café", "cafe"])
def test_other_words_stay_others(text):
    assert [spelt(one) for one in ("cat", "cats", "猫", "ねこ", "кот", "café", "cafe")].count(spelt(text)) == 1


def written(path, erase: str, concepts_: str, more: str = "", related: str = 'cat = ["dog"]'):
    text = path.read_text().replace('name = "cat"\n', "").replace('erase = ["cat"]', f"erase = {erase}")
    text = text.replace('cat = ["dog"]', related)
    path.write_text(text.replace('["a cat", "a dog", "an alien"]', concepts_) + more)
    return registry.load(str(path))


IMPLIED = 'cat = ["dog"]\n[implied]\ncat = ["{}"]'


def roles(suite):
    return {prompt.text: suite.role(suite.cases[0], prompt) for prompt in suite.prompts if "photo" not in prompt.text}


def test_roles_do_not_depend_on_spelling(bare_suite):
    suite = written(bare_suite, '["Cat"]', '["a cat", "a DOG", "an alien"]', related='CAT = ["Dog"]')
    assert roles(suite) == {"a cat": "target", "a DOG": "related", "an alien": "unrelated"}
    assert suite.cases[0].erase == ("Cat",)  # what is erased is what was written
    assert {prompt.concept for prompt in suite.prompts} == {"Cat", "DOG", "alien"}


def test_a_concept_that_stands_for_all_in_the_tables_is_refused(bare_suite):
    with pytest.raises(UserError, match="a concept is called '\\*'"):
        written(bare_suite, '["cat"]', '["a cat", "a dog", "*"]')


def test_a_suite_without_prompts_is_refused(bare_suite):
    suite = registry.load(str(bare_suite))
    with pytest.raises(UserError, match="no prompts"):
        registry._checked(replace(suite, prompts=()))


def test_a_concept_in_two_spellings_is_counted_once_and_said(bare_suite):
    suite = written(
        bare_suite,
        '["Van Gogh"]',
        '{"van gogh" = "by van gogh", "Van  Gogh" = "as Van Gogh", dog = "a dog"}',
        related='"van gogh" = ["dog"]',
    )
    assert {p.concept for p in suite.prompts} == {p.shows["object"] for p in suite.prompts} == {"Van Gogh", "dog"}
    assert concepts.said(suite) == [
        "'van gogh', 'Van  Gogh' counts as 'Van Gogh': they differ only in how they are typed"
    ]
    counted = coverage.of(suite)
    assert counted["Van Gogh", "target", "Van Gogh"] == counted["Van Gogh", "target", True] == 4
    assert kinds.of_case(suite, suite.cases[0]) == "object"


def test_two_spellings_are_said_by_plan_and_by_run(command, bare_suite, tiny_suite, tmp_path):
    for suite in (bare_suite, tiny_suite):
        written(suite, '["CAT"]', '["a cat", "a dog", "an alien"]')
    assert "'cat' counts as 'CAT'" in command("plan", "-m", "uce", "-s", bare_suite).out
    said = command("generate", "-m", "tests/fakes.py:Scaled", "-s", tiny_suite, "-o", tmp_path / "out")
    assert said.code == 0 and said.err.startswith("warning: 'cat' counts as 'CAT'")


def test_a_concept_that_is_erased_twice_is_refused(bare_suite):
    with pytest.raises(UserError, match=r"small.toml:15: .*erases one concept twice, as 'cat' and as 'CAT'"):
        written(bare_suite, '["cat", "CAT"]', '["a cat", "a dog"]')


HINTS = """
[[block]]
kind = "hint"
as = "hint"
role = "target"
concepts = ["a pet"]
templates = ["{thing}"]
seeds = 1
"""


def test_a_case_of_which_no_prompt_has_a_concept_is_refused_even_beside_hints(bare_suite):
    with pytest.raises(UserError, match=r"small.toml:15: case 'gost': .*nothing is called 'gost'"):
        written(bare_suite, '["gost"]', '["a ghost", "a dog"]', HINTS)


def test_a_suite_that_states_every_role_may_erase_what_no_prompt_names(bare_suite):
    suite = written(bare_suite, '["nudity"]', '["a ghost", "a dog"]', 'role = "unrelated"\n' + HINTS)
    assert set(roles(suite).values()) == {"unrelated", "target"}


@pytest.mark.parametrize(
    ("related", "word"), [('cat = ["dgo"]', "dgo"), ('cta = ["dog"]', "cta"), ('cat = ["dog", "alein"]', "alein")]
)
def test_a_neighbour_that_nothing_shows_is_refused_with_the_nearest_name(bare_suite, related, word):
    with pytest.raises(UserError, match=rf"small.toml:\d+: related, .*nothing is called '{word}'. Did you mean"):
        written(bare_suite, '["cat"]', '["a cat", "a dog", "an alien"]', related=related)


def test_what_is_said_in_place_of_a_concept_is_a_target_of_the_cases_that_erase_it(bare_suite):
    suite = written(bare_suite, '["cat"]', '["a cat", "a dog", "an alien"]', related=IMPLIED.format("ALIEN"))
    assert roles(suite) == {"a cat": "target", "a dog": "related", "an alien": "target"}
    other = replace(suite.cases[0], erase=("dog",))
    assert {suite.role(other, p) for p in suite.prompts if p.concept == "alien"} == {"unrelated"}


def test_what_is_implied_and_nothing_shows_is_refused_with_the_nearest_name(bare_suite):
    with pytest.raises(UserError, match=r"small.toml:\d+: implied, .*nothing is called 'alein'. Did you mean 'alien'"):
        written(bare_suite, '["cat"]', '["a cat", "a dog", "an alien"]', related=IMPLIED.format("alein"))


def test_a_suite_with_other_implied_words_is_another_content(bare_suite):
    suite = written(bare_suite, '["cat"]', '["a cat", "a dog", "an alien"]')
    assert content(replace(suite, implied={"cat": ("alien",)})) != content(suite) == content(replace(suite, implied={}))


def test_a_ready_made_suite_is_held_to_the_same(tmp_path, bare_suite):
    (tmp_path / "theirs.py").write_text(
        "from dataclasses import replace\nfrom pathlib import Path\nfrom dumo_bench.suites import registry\n"
        f"from dumo_bench.types import Case\nwhole = registry.read(Path({str(bare_suite)!r}))\n"
        "good = replace(whole, cases=(Case('c', ('CAT',)),))\nbad = replace(whole, cases=(Case('c', ('bat',)),))\n"
    )
    assert registry.load(f"{tmp_path / 'theirs.py'}:good").spellings == {"CAT": ("cat",)}
    with pytest.raises(UserError, match="Did you mean 'cat'"):
        registry.load(f"{tmp_path / 'theirs.py'}:bad")


def test_scorers_recognise_a_concept_in_any_spelling(tmp_path, bare_suite):
    from dataclasses import replace

    import tiny_models

    (sample,) = tiny_models.samples(tmp_path, 1)
    sample = replace(sample, case=replace(sample.case, erase=("Ghost",)), role="target")
    sample = replace(sample, prompt=replace(sample.prompt, concept="GHOST", shows={"object": "Ghost"}))
    seen = Seen({"ghost": 0.9, "nothing": 0.1}, {"noto": 1.0})
    found = {score.metric: score.value for score in verdicts(sample, seen)}
    assert (found["judge.object"], found["judge.erased"], found["judge.erased_p"]) == (1.0, 1.0, 0.9)
    clip = ClipAccuracy(concepts=("ghost", "dog"))
    assert clip._erased("m", sample, "ghost").value == 1.0
    assert "Ghost" not in Concept().cannot_judge(written(bare_suite, '["Ghost"]', '["a ghost", "a DOG"]', related=""))


def test_what_a_case_erases_by_name_is_found_in_the_tables_in_any_spelling():
    import polars as pl

    from dumo_bench.analysis.derived import Part, over

    rows = pl.DataFrame({"metric": "m", "role": "target", "concept": ["Ghost", "hint"]})
    assert over(Part("m", "target", named=True), rows, {spelt("GHOST")})["concept"].to_list() == ["Ghost"]
