"""Words to preserve: where they come from, which of many are taken, and latents that belong to them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import tiny
import torch

from dumo_bench.hosts import sd
from dumo_bench.kit import candidates, train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.lesson import Plan

WORLD = {
    "objects": ["dog", "ghost", "cat"],
    "styles": ["noto", "ink"],
    "prompts": ["a dog in ink style", "a ghost in noto style", "a dog in noto style"],
}


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def test_common_words_are_whole_ones_of_letters_in_the_order_the_tokenizer_learnt_them(host):
    found = candidates.common(host)
    assert found == [word for word in tiny.WORDS if len(word) > 2]


def test_a_world_s_words_go_before_the_tokenizer_s_and_none_shares_words_with_what_goes(host):
    own = replace(host, world={**WORLD, "objects": ["dog", "ghost", "santa claus", "ghost ship"]})
    assert candidates.vocabulary(own, ["ghost"]) == ["dog", "santa claus", "noto", "ink"]
    assert candidates.vocabulary(own, ["a Santa Claus hat"]) == ["dog", "ghost", "ghost ship", "noto", "ink"]
    assert "ghost" not in candidates.vocabulary(host, ["ghost"])


def test_the_nearest_words_come_first_and_all_of_them_if_nobody_asks_for_fewer(host):
    words = ["dog", "cat", "alien", "picture"]
    far = {w: float((sd.encode(host, [w]) - sd.encode(host, ["ghost"])).norm()) for w in words}
    g = train.seeded(0)
    assert candidates.nearest(host, "ghost", words, 2, 0, g) == sorted(words, key=far.__getitem__)[:2]
    assert candidates.nearest(host, "ghost", words, 0, 0, g) == words


def test_of_many_words_those_next_to_the_centres_of_their_distances_are_taken(host, monkeypatch):
    words = [f"w{i}" for i in range(9)]
    far = torch.tensor([1.0, 1.1, 1.2, 5.0, 5.1, 5.2, 9.0, 9.1, 9.2], dtype=torch.float64)
    monkeypatch.setattr(candidates, "distances", lambda *_: far)
    assert candidates.nearest(host, "ghost", words, 0, 3, train.seeded(0)) == ["w1", "w4", "w7"]


def test_captions_mention_their_word_and_nothing_that_goes(host):
    own = replace(host, world=WORLD)
    assert candidates.captions(own, "noto", ["ghost"]) == ["a dog in noto style"]
    assert candidates.captions(host, "cat", ["ghost"]) == [t.format("cat") for t in train.TEMPLATES]


@pytest.mark.parametrize("harvest", [0, 1])
def test_rows_are_of_the_words_chosen_and_their_states_pass_on_a_gradient(host, harvest):
    plan = Plan(steps=1, lr=1.0, run=Trajectory(3), harvest=harvest, retain_prompts=6)
    table = candidates.Table(host, plan, ["dog", "cat", "alien"], ["ghost"], train.seeded(0))
    assert [len(own) for own in table.texts] == ([2] * 3 if harvest else [1] * 3)
    choice = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    found = table.rows(choice, partial(sd.stock_guide, host), train.seeded(1))
    for i, word in enumerate(("cat", "alien")):
        assert host.tokenizer(word).input_ids[1] in found.ids[i].tolist()
        own = sd.encode(host, [t for texts in table.texts for t in texts])
        said = [k for k, text in enumerate(own) if torch.allclose(text, found.context[i])]
        assert said and all(word in [t for texts in table.texts for t in texts][k] for k in said)
    (grad,) = torch.autograd.grad(found.context.sum(), choice)
    assert grad.shape == choice.shape and bool(grad.abs().max() > 0)


def test_harvested_latents_are_those_of_their_own_caption_s_run(host):
    from dumo_bench.kit.latents import trajectory

    plan = Plan(steps=1, lr=1.0, run=Trajectory(3), harvest=1, retain_prompts=2)
    table = candidates.Table(host, plan, ["dog", "cat"], ["ghost"], train.seeded(0))
    g = train.seeded(0)
    texts = [train.choose(candidates.captions(host, w, ["ghost"]), 1, g)[0] for w in ("dog", "cat")]
    whole = trajectory(host, partial(sd.stock_guide, host), texts, texts, plan.run, g)
    assert [own[0] for own in table.texts] == texts
    for i, run in enumerate(table.runs):
        assert torch.equal(run.z, whole.z[i::2]) and torch.equal(run.ids[0], sd.tokens(host, [texts[i]])[0][0])
