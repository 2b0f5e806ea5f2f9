"""Which weights learn: counts on SD 1.4, and a student that shares all the others."""

from __future__ import annotations

import math

import pytest
import tiny
import torch

from dumo_bench.kit import parameters


@pytest.mark.parametrize(
    ("selection", "tensors", "count"),
    [
        ("attn2", 80, 43_962_560),
        ("kv", 32, 19_169_280),
        ("noxattn", 598, 813_495_680),
        ("noxattn-linear", 388, 815_358_084),
        ("full", 686, 859_520_964),
    ],
)
def test_sd_v1_4_has_the_published_numbers_of_tensors_and_parameters(selection, tensors, count):
    own = dict(tiny.sd14().named_parameters())
    chosen = parameters.SELECTIONS[selection](tiny.sd14())
    assert len(chosen) == len(set(chosen)) == tensors
    assert sum(math.prod(own[name].shape) for name in chosen) == count


def test_a_twin_shares_every_tensor_but_the_chosen_and_says_the_same():
    host = tiny.host("float64")
    names = parameters.SELECTIONS["kv"](host.unet)
    twin = parameters.twin(host.unet, names)
    own, made = dict(host.unet.named_parameters()), dict(twin.named_parameters())
    assert own.keys() == made.keys()
    assert {n for n in own if own[n] is not made[n]} == set(names)
    assert {n for n, p in made.items() if p.requires_grad} == set(names)
    assert not any(p.requires_grad for p in own.values())
    z, t, c = torch.randn(1, 4, 8, 8).double(), torch.tensor(7), torch.randn(1, 77, 32).double()
    a, b = (net(z, t, encoder_hidden_states=c).sample for net in (host.unet, twin))
    assert torch.equal(a, b)


def test_what_a_twin_learns_leaves_its_model_alone():
    host = tiny.host("float64")
    names = parameters.SELECTIONS["attn2"](host.unet)
    before = {n: p.clone() for n, p in host.unet.named_parameters()}
    made = dict(parameters.twin(host.unet, names).named_parameters())
    for name in names:
        made[name].data.zero_()
    assert all(torch.equal(p, before[n]) for n, p in host.unet.named_parameters())
