"""Adapters beside the cross-attentions: counts, a start that changes nothing, sums, and strict loading."""

from __future__ import annotations

import pytest
import tiny
import torch

from dumo_bench.errors import UserError
from dumo_bench.kit import adapter, train


@pytest.fixture(scope="module")
def host():
    return tiny.host("float64")


@pytest.fixture(scope="module")
def says(host):
    g = train.seeded(0)
    z, context = (torch.randn(s, generator=g, dtype=torch.float64) for s in ((2, 4, 8, 8), (2, 77, 32)))

    @torch.no_grad()
    def estimate():
        return host.unet(z, torch.tensor(400), encoder_hidden_states=context).sample

    return estimate


def lively(host, seed: int = 0):
    made = adapter.fresh(host.unet, 4, train.seeded(seed))
    for a in made.values():
        torch.nn.init.normal_(a.up.weight, std=0.3, generator=train.seeded(seed))
    return made


def test_sd_v1_4_has_sixteen_adapters_of_3209408_parameters_and_their_published_names():
    made = adapter.fresh(tiny.sd14(), 128, train.seeded(0))
    assert len(made) == 16
    assert sum(p.numel() for p in adapter.parameters(made)) == 3_209_408
    own = adapter.state(made)
    assert sum(k.endswith(".weight") for k in own) == sum(k.endswith(".bias") for k in own) == 32
    down = [f"down_blocks.{i}.attentions.{j}" for i in range(3) for j in range(2)]
    up = [f"up_blocks.{i}.attentions.{j}" for i in range(1, 4) for j in range(3)]
    assert set(made) == {*down, "mid_block.attentions.0", *up}
    assert own["mid_block.attentions.0.down.weight"].shape == (128, 1280)
    assert own["mid_block.attentions.0.up.weight"].shape == (1280, 128)


def test_new_adapters_change_no_bit(host, says):
    plain = says()
    with adapter.attached(host.unet, [adapter.fresh(host.unet, 4, train.seeded(0))]):
        assert torch.equal(says(), plain)


def test_leaving_takes_every_adapter_away_even_after_an_error(host, says):
    plain = says()
    with pytest.raises(KeyError), adapter.attached(host.unet, [lively(host)]):
        assert not torch.equal(says(), plain)
        raise KeyError
    assert torch.equal(says(), plain)


def test_sets_add_up_and_strength_multiplies_what_is_added(host, says):
    one, two = lively(host, 1), lively(host, 2)
    with adapter.attached(host.unet, [one, one], 0.5):
        halves = says()
    with adapter.attached(host.unet, [one]) as added:
        assert torch.allclose(says(), halves, atol=1e-12)
        single = next(iter(added.values()))
    with adapter.attached(host.unet, [one, two]) as both:
        says()
    with adapter.attached(host.unet, [two]) as other:
        says()
    first = next(iter(both))  # the first cross-attention of a pass sees the same either way
    assert torch.allclose(both[first], single + other[first], atol=1e-12)


def test_what_is_yielded_is_up_gelu_down_of_what_the_attention_said(host, says):
    made = lively(host)
    name, place = next(iter(adapter.places(host.unet).items()))
    heard: list[torch.Tensor] = []
    hook = place.register_forward_hook(lambda m, args, h: heard.append(h))
    with adapter.attached(host.unet, [made]) as added:
        says()
    hook.remove()
    a = made[name]
    by_hand = torch.nn.functional.gelu(heard[0] @ a.down.weight.T + a.down.bias) @ a.up.weight.T + a.up.bias
    assert torch.allclose(added[name], by_hand, atol=1e-12)


def test_tensors_read_back_say_the_same(host, says):
    made = lively(host)
    with adapter.attached(host.unet, [made]):
        before = says()
    with adapter.attached(host.unet, [adapter.loaded(host.unet, adapter.state(made))]):
        assert torch.equal(says(), before)


@pytest.mark.parametrize("wrong", ["missing", "foreign", "wide"])
def test_tensors_that_do_not_fit_are_refused(host, wrong):
    own = adapter.state(lively(host))
    first = next(iter(own))
    if wrong == "missing":
        del own[first]
    elif wrong == "foreign":
        own["mid_block.attentions.7.up.bias"] = own[first]
    else:
        own[first] = torch.cat([own[first], own[first]], dim=1)
    with pytest.raises(UserError, match="adapter"):
        adapter.loaded(host.unet, own)


def test_down_is_drawn_from_the_given_generator_alone(host):
    torch.manual_seed(0)
    one = adapter.state(adapter.fresh(host.unet, 4, train.seeded(5)))
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(1))  # the global generator was not asked
    two = adapter.state(adapter.fresh(host.unet, 4, train.seeded(5)))
    assert all(torch.equal(t, two[k]) for k, t in one.items())
