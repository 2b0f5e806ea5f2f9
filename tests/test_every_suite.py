"""Promises that every listed suite keeps."""

from __future__ import annotations

import pytest

from dumo_bench import suites
from dumo_bench.emoji.world import BACKGROUNDS, OBJECTS, STYLES

EVERY = pytest.mark.parametrize("name", suites.names())
EMOJI = pytest.mark.parametrize("name", [name for name in suites.names() if name.startswith("emoji-")])


@EVERY
def test_it_states_its_origin(name):
    suite = suites.load(name)
    assert suite.name == name
    assert suite.source and suite.licence and suite.version >= 1


@EVERY
def test_ids_are_unique_and_texts_too(name):
    prompts = suites.load(name).prompts
    assert len({p.id for p in prompts}) == len({p.text for p in prompts}) == len(prompts)


@EVERY
def test_every_case_has_target_related_and_unrelated_prompts(name):
    suite = suites.load(name)
    for case in suite.cases:
        assert {suite.role(case, p) for p in suite.prompts} >= {"target", "related", "unrelated"}


@EVERY
def test_every_prompt_has_its_own_seeds(name):
    prompts = suites.load(name).prompts
    assert len({d for p in prompts for d in p.draws}) == sum(len(p.draws) for p in prompts)


@EVERY
def test_related_concepts_have_prompts(name):
    suite = suites.load(name)
    have = {p.concept for p in suite.prompts}
    assert {near for nears in suite.related.values() for near in nears} <= have


@EVERY
def test_it_reads_the_same_twice(name):
    assert suites.load(name) == suites.load(name)


@EMOJI
def test_it_speaks_of_the_emoji_world_alone(name):
    for prompt in suites.load(name).prompts:
        assert prompt.shows.get("object", OBJECTS[0]) in OBJECTS
        assert prompt.shows.get("style", "noto") in STYLES


@EMOJI
def test_what_a_prompt_shows_is_what_its_text_says(name):
    for prompt in suites.load(name).prompts:
        assert all(word in prompt.text for word in prompt.shows.values())
        said = [style for style in STYLES if style in prompt.text.replace(",", " ").split()]
        assert said == ([prompt.shows["style"]] if "style" in prompt.shows else [])


@EMOJI
def test_it_uses_the_words_that_the_model_was_trained_on(name):
    from dumo_bench.emoji.captions import corpus

    known = {word for text in corpus() for word in text.replace(",", " ").split()}
    for prompt in suites.load(name).prompts:
        assert set(prompt.text.replace(",", " ").split()) <= known | set(BACKGROUNDS)


@EMOJI
def test_its_sizes_suit_two_cores(name):
    suite = suites.load(name)
    for case in suite.cases:
        targets = sum(suite.role(case, p) == "target" for p in suite.prompts)
        assert 30 <= targets <= 80
        assert 80 <= len(suite.prompts) - targets <= 160
