"""Keys and values of a text are made once a run, and whatever is written to meanwhile is seen. Pictures of every method
are the same with them and without: test_every_method.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import tiny
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dumo_bench.hosts import sd
from dumo_bench.hosts.kv_cache import cached

Z, T = torch.ones(2, 4, 8, 8, dtype=torch.float64), torch.tensor(500)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


@pytest.fixture
def context(host) -> Tensor:
    return sd.encode(host, ["a ghost", "a dog"]).clone()


def layers(host: sd.Host) -> list[torch.nn.Module]:
    found = dict(host.unet.named_modules())
    return [found[name.removesuffix(".weight")] for name in sd.key_value_names(host.unet)]


def operations(call: Callable[[], object]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counted:
        call()
    return int(counted.get_total_flops())


def test_from_the_second_step_on_keys_and_values_of_the_text_cost_nothing(host, context):
    step = cached(lambda z, t: host.estimate(z, t, context), host.unet)
    first, second = (operations(lambda: step(Z, T)) for _ in range(2))
    rows = context.shape[0] * context.shape[1]
    assert first - second == sum(2 * rows * layer.weight.numel() for layer in layers(host))


@torch.no_grad()
def test_a_context_or_a_weight_that_is_written_to_between_steps_counts(host, context):
    def plain(z: Tensor, t: Tensor) -> Tensor:
        return host.estimate(z, t, context)

    step, weight = cached(plain, host.unet), layers(host)[0].weight
    before, was = step(Z, T), weight.clone()
    context.mul_(1.5)
    assert torch.equal(step(Z, T), plain(Z, T)) and not torch.equal(step(Z, T), before)
    between = step(Z, T)
    try:
        weight.mul_(1.5)
        assert torch.equal(step(Z, T), plain(Z, T)) and not torch.equal(step(Z, T), between)
    finally:
        weight.copy_(was)


@torch.no_grad()
def test_so_does_what_is_written_past_autograd(host, context):
    def plain(z: Tensor, t: Tensor) -> Tensor:
        return host.estimate(z, t, context)

    step, weight = cached(plain, host.unet), layers(host)[0].weight
    was = weight.data
    for written in (lambda: weight.data.mul_(1.5), lambda: setattr(weight, "data", was * 2)):
        before = step(Z, T)
        written()
        assert torch.equal(step(Z, T), plain(Z, T)) and not torch.equal(step(Z, T), before)
    weight.data = was.div_(1.5)


@torch.no_grad()
def test_a_hook_that_writes_into_what_a_layer_says_does_so_once_a_step(host, context):
    def plain(z: Tensor, t: Tensor) -> Tensor:
        return host.estimate(z, t, context)

    handle = layers(host)[0].register_forward_hook(lambda layer, given, out: out.mul_(2))
    try:
        step = cached(plain, host.unet)
        assert all(torch.equal(step(Z, T), plain(Z, T)) for _ in range(3))
    finally:
        handle.remove()


@torch.no_grad()
def test_a_guide_that_asks_for_two_texts_in_turn_has_both(host, context):
    other = sd.encode(host, ["a cat", ""])
    calls = iter([context, other] * 3)
    step = cached(lambda z, t: host.estimate(z, t, next(calls)), host.unet)
    for wanted in [context, other] * 3:
        assert torch.equal(step(Z, T), host.estimate(Z, T, wanted))


def test_what_is_learnt_through_it_has_its_gradients_at_every_step(host, context):
    context.requires_grad_(True)
    step = cached(lambda z, t: host.estimate(z, t, context), host.unet)
    for _ in range(2):
        (found,) = torch.autograd.grad(step(Z, T).sum(), context)
        (wanted,) = torch.autograd.grad(host.estimate(Z, T, context).sum(), context)
        assert torch.equal(found, wanted) and wanted.abs().sum() > 0


def test_between_steps_and_after_an_error_every_layer_is_its_own(host, context):
    def fails(z: Tensor, t: Tensor) -> Tensor:
        host.estimate(z, t, context)
        raise ValueError("as a method may")

    with torch.no_grad(), pytest.raises(ValueError, match="as a method may"):
        cached(fails, host.unet)(Z, T)
    assert not any("forward" in vars(layer) for layer in host.unet.modules())


@torch.inference_mode()
def test_under_inference_mode_where_nothing_tells_what_was_written_to_nothing_is_kept(host):
    context = sd.encode(host, ["a ghost", "a dog"])
    step = cached(lambda z, t: host.estimate(z, t, context), host.unet)
    assert all(torch.equal(step(Z, T), host.estimate(Z, T, context)) for _ in range(2))
