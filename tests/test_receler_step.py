"""Receler: one outer step by hand, with erasers that say something."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch.nn.functional import mse_loss

from dumo_bench.baselines.receler import Receler, Step, outside
from dumo_bench.hosts import sd
from dumo_bench.kit import adapter, train
from dumo_bench.kit.tokens import after, spliced


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def idle(host) -> dict[str, adapter.Adapter]:
    return adapter.fresh(host.unet, 4, train.seeded(1))


@pytest.fixture(scope="module")
def lively(host) -> dict[str, adapter.Adapter]:
    made, g = adapter.fresh(host.unet, 4, train.seeded(1)), train.seeded(4)
    for p in adapter.parameters(made):
        p.data.add_(0.2 * torch.randn(p.shape, generator=g, dtype=p.dtype))
    return made


def outer(host, erasers, **settings) -> Step:
    return Step(host, Receler(**settings), ["ghost"], erasers, train.seeded(2))


@torch.no_grad()
def says(host, rows, context) -> torch.Tensor:
    return host.unet(rows.z, rows.t, encoder_hidden_states=context).sample


def pushed(host, rows, gamma: float) -> torch.Tensor:
    """e_0 - gamma (e_p - e_0) of the frozen model."""
    there, away = (says(host, rows, context) for context in (rows.context, rows.anchor))
    return away - gamma * (there - away)


def test_the_loss_is_the_distance_from_the_target_and_reg_and_retain_times_their_terms(host, lively):
    settings = {"gamma": 0.5, "reg": 0.7, "retain": 3.0, "inner": 1}
    by_hand, g = outer(host, lively, **settings), train.seeded(3)
    rows, stay = by_hand.rows(0, g)
    target = pushed(host, rows, 0.5)
    where, before = by_hand.frozen(rows, "ghost")[2], says(host, stay, stay.context)
    n, context = 1, rows.context.clone()  # half of two rows is attacked
    context[:n] = spliced(rows.context[:n], after(host, rows.ids)[:n], by_hand.attacks["ghost"].vectors.detach())
    with torch.no_grad(), adapter.attached(host.unet, [lively]) as added:
        change, said = mse_loss(says(host, rows, context), target), outside(added, where)
        moved = mse_loss(says(host, stay, stay.context), before)
    assert min(float(term) for term in (change, said, moved)) > 1e-4
    found = outer(host, lively, **settings)(0, train.seeded(3))
    assert float(found.detach()) == pytest.approx(float(change + 0.7 * said + 3.0 * moved), rel=1e-9)


def test_the_frozen_pass_is_the_frozen_model_s_however_much_the_erasers_say(host, lively):
    loss = outer(host, lively, gamma=0.5)
    rows = loss.rows(0, train.seeded(5))[0]
    there, away = (says(host, rows, context) for context in (rows.context, rows.anchor))
    with adapter.attached(host.unet, [lively]):
        assert not torch.allclose(there, says(host, rows, rows.context), atol=1e-3)
    found = loss.frozen(rows, "ghost")
    assert torch.equal(found[0], there) and torch.equal(found[1], away)


@pytest.mark.parametrize("paper", [True, False], ids=["the paper's", "harvested"])
def test_latents_are_sampled_with_the_erasers_on(host, idle, lively, paper):
    if paper:
        host = replace(host, plans={"receler": {"run": {"steps": 4, "align": "level"}}})
    own, without = sampled(host, lively), sampled(host, idle)
    with adapter.attached(host.unet, [lively]):
        around = sampled(host, idle)
    assert torch.allclose(own, around, atol=1e-12)
    assert (own - without).abs().max() > 1e-3


def sampled(host, erasers) -> torch.Tensor:
    """Latents of three turns, since a run may stop before its first step."""
    return torch.cat([outer(host, erasers).rows(0, train.seeded(turn))[0].z for turn in range(3)])


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_an_attack_step_is_adam_s_down_the_distance_from_the_concept_and_its_decay(host, lively, decay):
    """The published decay of 0.1 outweighs so small a gradient, so the direction shows without it."""
    loss = outer(host, lively, inner=1)
    attacker = loss.attacks["ghost"]
    (group,) = attacker.adam.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.1, 0.1)
    group["weight_decay"] = decay
    rows = loss.rows(0, train.seeded(5))[0]
    there, vectors = says(host, rows, rows.context), attacker.vectors.detach().clone().requires_grad_(True)
    with adapter.attached(host.unet, [lively]):
        context = spliced(rows.context[:1], after(host, rows.ids)[:1], vectors)
        made = host.unet(rows.z[:1], rows.t[:1], encoder_hidden_states=context).sample
    (slope,) = torch.autograd.grad(mse_loss(made, there[:1]), [vectors])
    full = slope + decay * vectors.detach()
    by_hand = vectors.detach() - 0.1 * full / (full.abs() + 1e-8)
    loss.attacked(rows, there, attacker)
    assert slope.abs().median() > 1e-7
    assert torch.allclose(attacker.vectors, by_hand, atol=1e-4)
