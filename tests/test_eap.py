"""EAP: its terms beside ESD's, what the adversary climbs, and what it may choose among."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import tiny
import torch

from dumo_bench.baselines import eap, esd
from dumo_bench.baselines.eap import EAP, PLANS, SYNONYMS, TRAINED, Game
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.kit import parameters, train
from dumo_bench.kit.latents import Latents, Trajectory, estimate

WORDS = ["dog", "cat", "alien"]


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def student(host):
    """A student that is no longer the model."""
    names = parameters.SELECTIONS["attn2"](host.unet)
    made = parameters.twin(host.unet, names)
    for name in names:
        dict(made.named_parameters())[name].data.mul_(1.5)
    return made


def rows(host, t: int = 700) -> Latents:
    z = torch.randn(2, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    texts = ["a photo of ghost"] * 2
    context, anchor = sd.encode(host, texts), sd.encode(host, [""] * 2)
    return Latents(z, torch.tensor([t, t]), context, anchor, sd.tokens(host, texts)[0])


def game(host, erase=("ghost",), words=(WORDS,), **own) -> Game:
    plan = replace(PLANS["concepts"], run=Trajectory(3), **own)
    return Game(host, plan, erase, words, train.seeded(0))


def guide(host):
    return partial(sd.stock_guide, host)


def alpha_bar(host, t: int) -> float:
    return float(sample.scheduler(host, "ddim", 1).alphas_cumprod[t])


@pytest.mark.parametrize("t", [10, 700])
def test_its_first_term_is_esd_s_objective_weighed_as_pictures(host, student, t):
    abar, these = alpha_bar(host, t), rows(host, t)
    plain = esd.objective(host.unet, student, these, eta=2.0)
    assert torch.allclose(eap.erased_loss(host, student, these, eta=2.0), (1 - abar) / abar * plain)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_estimates_are_as_far_apart_as_the_pictures_that_they_stand_for(host, kind):
    own = replace(host, schedule={**host.schedule, "prediction_type": kind})
    z, a, b = (torch.randn(1, 4, 8, 8, generator=train.seeded(i), dtype=torch.float64) for i in range(3))
    schedule = sample.scheduler(own, "ddim", 1000)
    made = [schedule.step(e, torch.tensor(300), z).pred_original_sample for e in (a, b)]
    wanted = (made[0] - made[1]).square().mean()
    assert torch.allclose(eap.far(own, a, b, torch.tensor([300])), wanted, rtol=1e-4)


def test_what_is_preserved_costs_nothing_before_the_first_step(host, student):
    assert float(eap.kept_loss(host, host.unet, rows(host))) == 0.0
    assert bool(eap.kept_loss(host, student, rows(host)) > 0.0)


def test_a_choice_is_one_word_with_the_gradient_of_the_soft_one(host):
    play = game(host, retain_rows=5)
    values = torch.randn(5, 3, generator=train.seeded(1))
    choice = play.choose(0, train.seeded(2))
    assert choice.sum(1).tolist() == [1.0] * 5 and set(choice.flatten().tolist()) == {0.0, 1.0}
    (found,) = torch.autograd.grad((choice * values).sum(), play.logits)
    noise = -torch.empty(5, 3).exponential_(generator=train.seeded(2)).log()
    (wanted,) = torch.autograd.grad((((play.logits[0] + noise) / 2.0).softmax(1) * values).sum(), play.logits)
    assert torch.allclose(found, wanted, atol=1e-6)


def test_words_are_chosen_as_often_as_the_softmax_of_their_logits_says(host):
    play = game(host, retain_rows=20_000)
    play.logits[0].data.copy_(torch.tensor([0.0, 1.0, -1.0]))
    often = play.choose(0, train.seeded(0)).mean(0)
    assert torch.allclose(often, play.logits[0].softmax(0), atol=0.015)  # four standard errors


def test_the_adversary_climbs_towards_the_word_that_is_harmed_most_and_only_in_its_concept_s_row(host):
    play = game(host, ("ghost", "alien"), (WORDS[:2], WORDS[:2]), retain_rows=64, adversary_lr=0.1)
    start, g = play.logits[1].detach().clone(), train.seeded(0)
    for _ in range(20):
        play.climb((play.choose(0, g) * torch.tensor([1.0, 5.0])).sum())
    assert play.logits[0][1] > play.logits[0][0] + 1.0
    assert torch.equal(play.logits[1], start)
    assert play.favourites() == {"ghost": ["cat", "dog"], "alien": ["dog", "cat"]}


def test_the_gradient_reaches_the_logits_through_both_networks_estimates_alone(host, student):
    play = game(host, retain_rows=2)
    kept = play.kept(0, guide(host), train.seeded(0))
    assert not kept.z.requires_grad and kept.context.requires_grad
    (found,) = torch.autograd.grad(eap.kept_loss(host, student, kept), play.logits, retain_graph=True)
    own, frozen = (estimate(unet, kept.z, kept.t, kept.context) for unet in (student, host.unet))
    wanted, half = (
        torch.autograd.grad(eap.far(host, own, other, kept.t), play.logits, retain_graph=True)[0]
        for other in (frozen, frozen.detach())
    )
    assert torch.allclose(found, wanted) and bool(found.abs().max() > 0)
    assert not torch.allclose(found, half)


def test_a_concept_and_what_is_chosen_are_runs_of_one_noise_and_level(host):
    erased, kept = game(host, words=(["ghost"],)).rows(0, guide(host), train.seeded(1))
    assert torch.equal(erased.z, kept.z) and torch.equal(erased.t, kept.t)
    assert torch.equal(erased.context, kept.context)
    erased, kept = game(host, words=(["dog"],)).rows(0, guide(host), train.seeded(1))
    assert torch.equal(erased.t, kept.t) and torch.equal(kept.context, sd.encode(host, ["dog"]))


@pytest.mark.parametrize("harvest", [0, 2])
def test_concepts_take_turns_each_with_candidates_of_its_own(host, harvest):
    play = game(host, ("ghost", "alien"), (["dog"], ["cat"]), harvest=harvest, retain_prompts=1)
    ids = {word: host.tokenizer(word).input_ids[1] for word in ("ghost", "alien", "dog", "cat")}
    g, found = train.seeded(0), []
    for step in range(4):
        made = play.rows(step, guide(host), g)
        texts = [sd.tokens(host, [t])[0] for own in play.tables[step % 2].texts for t in own]
        assert torch.equal(made[1].ids, texts[0])
        found.append([w for w in ids if ids[w] in made[0].ids[0].tolist() or ids[w] in made[1].ids[0].tolist()])
    assert found == [["ghost", "dog"], ["alien", "cat"]] * 2


def test_the_concept_and_its_synonyms_are_no_candidates_unless_as_released(host):
    def words(**settings) -> set[str]:
        method = EAP(nearest=0, centres=0, **settings)
        return set(method.words(host, method.plan(host), ["ghost"], train.seeded(0))[0])

    assert {"alien", "cat"} <= words() and "ghost" not in words()
    assert "alien" not in words(synonyms=("alien",))
    assert words(candidates="released") == words() | {"ghost"}
    assert "naked" in SYNONYMS["nudity"]


def test_on_emoji_sd_the_candidates_are_its_other_objects_and_styles():
    found, method = sd.load("emoji-sd"), EAP()
    (words,) = method.words(found, method.plan(found), ["ghost"], train.seeded(0))
    assert set(words) == {*found.world["objects"], *found.world["styles"]} - {"ghost"}


def test_a_world_of_nothing_else_is_refused(host):
    lonely = replace(host, world={"objects": ["ghost"]})
    with pytest.raises(UserError, match="eap: nothing is left to preserve"):
        EAP().fit(lonely, ["ghost"], seed=0)


@pytest.mark.parametrize("variant", TRAINED)
def test_exactly_the_variant_s_weights_change(host, variant):
    made = EAP(variant=variant).fit(host, ["ghost"], seed=0).tensors
    own = dict(host.unet.named_parameters())
    assert list(made) == [f"unet.{n}" for n in parameters.SELECTIONS[TRAINED[variant]](host.unet)]
    assert sum(not torch.equal(t, own[n.removeprefix("unet.")]) for n, t in made.items()) > 0.9 * len(made)


@pytest.mark.parametrize("extra", [{"eta": 3.0}, {"retain": 5.0}, {"adversary_lr": 5.0}, {"ema": 0.5}])
def test_every_setting_changes_the_edit(host, extra):
    slow = tiny.planned(host, "eap", steps=4)
    plain, other = (EAP(**s).fit(slow, ["ghost"], seed=0).tensors for s in ({}, extra))
    assert any(not torch.equal(t, other[n]) for n, t in plain.items())


def test_presets_are_the_released_scripts_numbers():
    concepts, nudity = PLANS["concepts"], PLANS["nudity"]
    for plan in (concepts, nudity):
        assert (plan.steps, plan.lr, plan.lr_outside, plan.retain, plan.rows) == (1000, 1e-5, 1e-5, 1.0, 1)
        assert (plan.adversary_lr, plan.temperature, plan.run.steps, plan.run.guidance) == (1e-2, 2.0, 50, 3.0)
    assert (concepts.nearest, concepts.centres, nudity.nearest, nudity.centres) == (1000, 100, 2000, 50)
    bare = replace(tiny.host(), plans={})
    assert [EAP(**own).plan(bare) for own in EAP.by_task.values()] == [concepts, concepts, nudity]
