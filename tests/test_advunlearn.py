"""AdvUnlearn: which weights learn, its objective beside ESD's, and that its attack brings the concept back."""

from __future__ import annotations

import pytest
import tiny
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from dumo_bench.baselines import advunlearn, esd
from dumo_bench.baselines.advunlearn import PLANS, AdvUnlearn, Student, attack, learnt
from dumo_bench.hosts import sd
from dumo_bench.kit import parameters, train
from dumo_bench.kit.latents import Latents
from dumo_bench.kit.lesson import Lesson, opposite


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def student(host: sd.Host, moved: float = 1.0) -> Student:
    names = learnt(host.text_encoder)
    made = Student(host, parameters.twin(host.text_encoder, names))
    for name in names:
        dict(made.encoder.named_parameters())[name].data.mul_(moved)
    return made


def rows(host: sd.Host, text: str = "a photo of ghost", n: int = 2) -> Latents:
    z = torch.randn(n, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    context, anchor = sd.encode(host, [text] * n), sd.encode(host, [""] * n)
    return Latents(z, torch.tensor([10, 700]), context, anchor, sd.tokens(host, [text] * n)[0])


def test_85_of_clip_l_s_123_million_weights_learn():
    with torch.device("meta"):
        config = CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12)
        encoder = CLIPTextModel(config)
    sizes = {name: p.numel() for name, p in encoder.named_parameters()}
    assert sum(sizes[name] for name in learnt(encoder)) == 85_056_000
    assert sum(sizes.values()) == 123_060_480


def test_without_an_attack_its_first_step_is_esd_s_loss(host):
    made, these = student(host), rows(host)
    said = made.states(these.ids)
    assert torch.equal(said.detach(), these.context)
    own = torch.nn.functional.mse_loss(made.estimate(these, said), opposite(host.unet, these, 1.0))
    assert torch.equal(own.detach(), esd.objective(host.unet, host.unet, these, eta=1.0))
    assert float(own.detach()) > 0


def test_a_vector_of_a_token_is_read_as_the_token_before_the_text(host):
    made = student(host)
    word, text = sd.tokens(host, ["dog"])[0][0, 1], sd.tokens(host, ["a ghost"])[0]
    vector = host.text_encoder.get_input_embeddings()(word[None])
    assert torch.equal(made.states(text, vector), made.states(sd.tokens(host, ["dog a ghost"])[0]))


def test_its_attack_comes_nearer_to_what_the_unedited_model_says(host):
    own = tiny.planned(host, "advunlearn", inner=12, inner_lr=1e-2)
    plan, g, made = AdvUnlearn().plan(own), train.seeded(1), student(host, moved=1.3)
    lesson = Lesson(own, plan, ["ghost"], g, mix="apart")
    lesson.rows(0, made.guide, g)
    asked = lesson.sources[0].pool.all

    def missed(vector) -> float:
        with torch.no_grad():
            wanted = made.estimate(asked, asked.context)
            return float((made.estimate(asked, made.states(asked.ids, vector)) - wanted).square().mean())

    still = tiny.planned(host, "advunlearn", inner=0)
    begun = attack(made, Lesson(still, AdvUnlearn().plan(still), ["ghost"], g, mix="apart"), 0, train.seeded(5))
    assert missed(attack(made, lesson, 0, train.seeded(5))) < missed(begun)


def test_what_is_kept_costs_nothing_before_anything_is_learnt(host):
    these = rows(host, "a dog")
    still, moved = (float(student(host, moved=by).changed(these).detach()) for by in (1.0, 1.3))
    assert still < 1e-20 < moved


def test_latents_are_sampled_by_the_model_as_it_is(host):
    plan = PLANS["paper"]
    given = sd.conditions(host, ["a ghost"], [3.0])
    z, t = rows(host, n=1).z, torch.tensor(500)
    assert torch.equal(student(host).guide(given)(z, t), sd.stock_guide(host, given)(z, t))
    assert not torch.equal(student(host, moved=1.3).guide(given)(z, t), sd.stock_guide(host, given)(z, t))
    assert (plan.steps, plan.warm_up, plan.inner, plan.inner_lr, plan.retain) == (1000, 200, 30, 1e-3, 0.3)


def test_attacks_begin_after_the_warm_up_and_reach_each_concept_in_turn(host, monkeypatch):
    own, asked = tiny.planned(host, "advunlearn", steps=4, warm_up=2, refresh=1), []
    whole = advunlearn.attack
    monkeypatch.setattr(advunlearn, "attack", lambda s, rows, step, g: asked.append(step) or whole(s, rows, step, g))
    made = AdvUnlearn().fit(own, ["ghost", "dog"], seed=0)
    assert asked == [2, 3]
    assert set(made.tensors) == {f"text.{name}" for name in learnt(host.text_encoder)}
    AdvUnlearn(inner=0).fit(own, ["ghost"], seed=0)
    assert asked == [2, 3]


def test_the_embeddings_stay_and_the_rest_moves_by_its_strength(host):
    whole, half = (AdvUnlearn(strength=s).fit(host, ["ghost"], seed=0).tensors for s in (1.0, 0.5))
    own = {f"text.{n}": p for n, p in host.text_encoder.named_parameters()}
    assert all(torch.allclose(half[n] - own[n], (whole[n] - own[n]) / 2) for n in whole)
    assert sum(not torch.equal(whole[n], own[n]) for n in whole) > 0.9 * len(whole)
