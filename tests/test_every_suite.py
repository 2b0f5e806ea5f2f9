"""Promises that every listed suite keeps."""

from __future__ import annotations

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import prompt_files
import pytest

from dumo_bench.emoji.world import BACKGROUNDS, GROUPS, OBJECTS, STYLES
from dumo_bench.suites import registry

DIGESTS = Path(__file__).parent / "golden" / "suites.json"
OWN = registry.own()
EVERY = pytest.mark.parametrize("name", registry.names())
WRITTEN = pytest.mark.parametrize("name", [name for name, one in OWN.items() if not one.file.csv])
LISTED = pytest.mark.parametrize("name", [name for name, one in OWN.items() if one.file.csv])
EMOJI = pytest.mark.parametrize("name", [name for name in OWN if name.startswith("emoji-")])


@pytest.fixture
def suite(name, monkeypatch):
    return prompt_files.load(name, monkeypatch)


@EVERY
def test_it_states_its_origin(name, suite):
    assert suite.name == name
    assert suite.source and suite.licence and suite.version >= 1


@EVERY
def test_ids_are_unique(suite):
    assert len({p.id for p in suite.prompts}) == len(suite.prompts)


@EVERY
def test_the_number_of_prompts_is_known_without_reading_them(name, suite):
    assert OWN[name].size == len(suite.prompts)


@EVERY
def test_its_label_says_how_many_prompts_it_has(suite):
    count = suite.label.rpartition("-")[2]
    assert float(count.removesuffix("k")) * (1000 if count.endswith("k") else 1) == len(suite.prompts)


@EVERY
def test_every_case_has_prompts_that_tell_whether_it_worked_or_what_it_broke(suite):
    for case in suite.cases:
        roles = {suite.role(case, p) for p in suite.prompts}
        assert roles in ({"target"}, {"unrelated"}) or roles >= {"target", "unrelated"}


@EVERY
def test_related_concepts_have_prompts(suite):
    have = {p.concept for p in suite.prompts}
    assert {word for table in (suite.related, suite.implied) for words in table.values() for word in words} <= have


@EVERY
def test_it_reads_the_same_twice(name, suite):
    assert registry.load(name) == suite


def digest(suite) -> str:
    """Of all that decides what is drawn and how it counts."""
    cases = [(case.name, case.erase, case.task) for case in suite.cases]
    implied = [sorted(suite.implied.items())] if suite.implied else []
    said = (suite.prompts, cases, sorted(suite.related.items()), suite.sampling, suite.task, *implied)
    undefined = repr(said).replace(", sampler='')", ")")  # what a sampler does is no suite's: the plan fills it in
    undefined = undefined.replace(", start='')", ")")  # no suite of this project starts with more than noise
    return hashlib.sha256(undefined.encode()).hexdigest()


@EVERY
def test_a_changed_suite_is_a_new_version(name, suite):
    known = json.loads(DIGESTS.read_text()).get(f"{name} {suite.version}")
    assert known == digest(suite), f"raise the version of {name}, then add to {DIGESTS}: {digest(suite)}"


def test_an_erasure_is_of_one_kind_in_every_suite_so_that_one_edit_serves_them_all():
    kinds: dict[tuple[str, ...], set[str]] = {}
    for one in OWN.values():
        for case in one.file.empty.cases:
            kinds.setdefault(case.erase, set()).add(case.task or one.file.empty.task)
    assert {erase: kind for erase, kind in kinds.items() if len(kind) > 1} == {}
    assert kinds["nudity",] == {"explicit"} and kinds["Van Gogh",] == {"style"}


@EVERY
def test_sizes_are_whole_latents(suite):
    sizes = {n for p in (*suite.prompts, suite.sampling) for n in (p.height, p.width) if n is not None}
    assert all(n % 8 == 0 and n > 0 for n in sizes)


@WRITTEN
def test_no_text_is_written_twice(suite):
    assert len({p.text for p in suite.prompts}) == len(suite.prompts)


@LISTED
def test_its_list_is_named_by_hash_rows_and_addresses(name):
    source = OWN[name].file.csv.source
    assert len(source.sha256) == 64 and source.rows and source.bytes
    assert source.urls and all(url.startswith("https://") for url in source.urls)


@EMOJI
def test_every_case_has_target_related_and_unrelated_prompts(suite):
    for case in suite.cases:
        assert {suite.role(case, p) for p in suite.prompts} >= {"target", "related", "unrelated"}


@EMOJI
def test_every_prompt_has_its_own_seeds(suite):
    assert len({d for p in suite.prompts for d in p.draws}) == sum(len(p.draws) for p in suite.prompts)


@EMOJI
def test_it_speaks_of_the_emoji_world_alone(name):
    for prompt in registry.load(name).prompts:
        assert prompt.shows.get("object", OBJECTS[0]) in OBJECTS
        assert prompt.shows.get("style", "noto") in STYLES


@EMOJI
def test_what_a_prompt_shows_is_what_its_text_says(name):
    for prompt in registry.load(name).prompts:
        assert all(word in prompt.text for word in prompt.shows.values())
        said = [style for style in STYLES if style in prompt.text.replace(",", " ").split()]
        assert said == ([prompt.shows["style"]] if "style" in prompt.shows else [])


@EMOJI
def test_it_uses_the_words_that_the_model_was_trained_on(name):
    from dumo_bench.emoji.captions import corpus

    known = {word for text in corpus() for word in text.replace(",", " ").split()}
    for prompt in registry.load(name).prompts:
        assert set(prompt.text.replace(",", " ").split()) <= known | set(BACKGROUNDS)


@EMOJI
def test_its_sizes_suit_two_cores(name):
    suite = registry.load(name)
    assert len(suite.prompts) <= 300
    if name in ("emoji-many", "emoji-sequence"):  # how many prompts are targets is what their cases vary
        return
    for case in suite.cases:
        targets = sum(suite.role(case, p) == "target" for p in suite.prompts)
        assert 30 <= targets <= 80
        assert 80 <= len(suite.prompts) - targets <= 160


def test_every_case_of_emoji_many_begins_with_the_one_before_and_erases_each_group_in_proportion():
    suite = registry.load("emoji-many")
    erased = [case.erase for case in suite.cases]
    assert [len(one) for one in erased] == [1, 2, 5, 10, 25, 50]
    assert all(more[: len(less)] == less for less, more in pairwise(erased))
    share = {group: len(set(words) & set(erased[-1])) / len(words) for group, words in GROUPS.items()}
    assert all(0.2 <= one <= 0.5 for one in share.values())
    kept = set(OBJECTS) - set(erased[-1])
    assert {near for nears in suite.related.values() for near in nears} <= kept
    assert {p.concept for p in suite.prompts} == set(OBJECTS)


def test_what_is_implied_is_a_target_of_the_cases_that_erase_it_alone():
    suite = registry.load("emoji-near")
    skull, weapons = suite.cases
    roles = {(case.name, p.concept): suite.role(case, p) for case in (skull, weapons) for p in suite.prompts}
    assert roles["skull", "sign of death"] == roles["dagger+knife", "weapon"] == "target"
    assert roles["skull", "sharp weapon"] == roles["dagger+knife", "sign of death"] == "unrelated"
