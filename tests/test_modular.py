"""Modular LoRA: what is learnt apart is the sum of its parts, what is learnt on top is not."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch.nn import functional as F

from dumo_bench.baselines.modular import PLAN, ModularLoRA, Stack, Tuning
from dumo_bench.hosts import sd
from dumo_bench.hosts.sample import scheduler
from dumo_bench.kit import lora, train
from dumo_bench.types import Edit

BOTH = ("ghost", "alien")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def own(edit: Edit, i: int) -> dict[str, torch.Tensor]:
    """The tensors of one set."""
    return {k.removeprefix(f"lora.{i}."): t for k, t in edit.tensors.items() if k.startswith(f"lora.{i}.")}


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(t, b[k]) for k, t in a.items())


def test_modulars_are_those_of_each_concept_alone(host):
    both = ModularLoRA().fit(host, BOTH, seed=0)
    ghost, alien = (ModularLoRA().fit(host, [c], seed=0) for c in BOTH)
    assert both.header["sets"] == 2
    assert same(own(both, 0), own(ghost, 0)) and same(own(both, 1), own(alien, 0))


def test_a_sequential_lora_is_learnt_on_top_of_the_ones_before(host):
    modular, sequential = (ModularLoRA(compose=how).fit(host, BOTH, seed=0) for how in ("modular", "sequential"))
    assert same(own(modular, 0), own(sequential, 0))
    assert not same(own(modular, 1), own(sequential, 1))


def test_a_modular_fine_tuning_lora_knows_nothing_of_what_is_erased(host):
    tuned = {"tune": ("a photo of dog", "a cat")}
    one, other = (ModularLoRA(**tuned).fit(host, [c], seed=0) for c in BOTH)
    assert one.header["sets"] == 2 and same(own(one, 1), own(other, 1))
    on_top, other = (ModularLoRA(compose="sequential", **tuned).fit(host, [c], seed=0) for c in BOTH)
    assert not same(own(on_top, 1), own(other, 1))


def test_inside_apply_the_model_is_the_sum_of_clean_weights_and_loras(host):
    edit = ModularLoRA(tune=("a cat",)).fit(host, ["ghost"], seed=0)
    weights = dict(host.unet.named_parameters())
    sum_of = {f"unet.{name}.weight": weights[f"{name}.weight"].clone() for name in lora.sets(host.unet, edit)[0]}
    for pairs in lora.sets(host.unet, edit):
        for name, pair in pairs.items():
            sum_of[f"unet.{name}.weight"] += pair.delta
    z, given = torch.ones(1, 4, 8, 8, dtype=torch.float64), sd.conditions(host, ["a ghost"], [3.0])
    with torch.no_grad(), ModularLoRA().apply(host, edit) as guide:
        made = guide(given)(z, torch.tensor(500))
    with torch.no_grad(), sd.edited(host, Edit(sum_of, {})):
        wanted = sd.stock_guide(host, given)(z, torch.tensor(500))
    assert torch.allclose(made, wanted, atol=1e-10)
    with torch.no_grad():
        assert not torch.allclose(made, sd.stock_guide(host, given)(z, torch.tensor(500)), atol=1e-4)


def test_a_fresh_fine_tuning_lora_has_the_denoising_loss_of_the_model_it_is_on(host):
    plan, g = ModularLoRA().plan(host), train.seeded(0)
    fresh = lora.fresh(host.unet, lora.cross_attentions(host.unet, ("to_q",)), 2, g)
    loss = Tuning(Stack(host, []), plan, ["a cat", "a dog"], fresh, g)
    found = loss(0, train.seeded(4))
    again = train.seeded(4)
    z, texts = loss.pictures.z, loss.pictures.texts
    which = torch.randint(len(z), (plan.rows,), generator=again)
    t = torch.randint(1000, which.shape, generator=again)
    noise = torch.randn(len(which), *z.shape[1:], generator=again).to(z)
    x = scheduler(host, "ddim", 1).add_noise(z[which], noise, t)
    context = sd.encode(host, [texts[i] for i in which.tolist()])
    with torch.no_grad():
        said = host.unet(x, t, encoder_hidden_states=context).sample
    assert float(found.detach()) == pytest.approx(float(F.mse_loss(said, noise)), rel=1e-10)


def test_it_says_that_it_is_a_reconstruction():
    assert "reconstruction" in ModularLoRA.cite
    assert (PLAN.rank, PLAN.steps, PLAN.tune_steps, PLAN.lr) == (4, 1500, 5000, 1e-4)
