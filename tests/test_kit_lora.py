"""Low-rank adapters: what they add is what their product adds to the weights, layer by layer and picture by picture."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import nn

from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import lora, train
from dumo_bench.kit.latents import estimate
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def lively(host: sd.Host, seed: int, rank: int = 1, layers: list[str] | None = None) -> dict[str, lora.Pair]:
    """Pairs that say something."""
    g = train.seeded(seed)
    pairs = lora.fresh(host.unet, lora.inside_transformers(host.unet) if layers is None else layers, rank, g)
    for p in lora.parameters(pairs):
        p.data = 0.2 * torch.randn(p.shape, generator=g, dtype=p.dtype)
        p.requires_grad_(False)
    return pairs


def rows(n: int = 2) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    g = train.seeded(9)
    z, c = (torch.randn(shape, generator=g, dtype=torch.float64) for shape in ((n, 4, 8, 8), (n, 77, 32)))
    return z, torch.tensor([500] * n), c


def said(host: sd.Host, sets, scales=(), **how) -> torch.Tensor:
    with torch.no_grad(), lora.attached(host.unet, sets, scales, **how):
        return estimate(host.unet, *rows())


def merged(host: sd.Host, change: dict[str, torch.Tensor]) -> torch.Tensor:
    """The estimate of the U-Net with these changes added to its weights."""
    own = dict(host.unet.named_parameters())
    edit = Edit({f"unet.{n}.weight": own[f"{n}.weight"] + d for n, d in change.items()}, {})
    with torch.no_grad(), sd.edited(host, edit):
        return estimate(host.unet, *rows())


def test_sd_1_has_192_layers_inside_its_transformers_and_423936_numbers_at_rank_one():
    unet = tiny.sd14()
    layers = lora.inside_transformers(unet)
    assert len(layers) == len(set(layers)) == 192
    with torch.device("meta"):
        assert sum(p.numel() for n in layers for p in lora.Pair(unet.get_submodule(n), 1).parameters()) == 423_936
        pairs = [lora.Pair(unet.get_submodule(n), 1) for n in lora.cross_attentions(unet, ("to_k", "to_v"))]
        assert sum(p.numel() for pair in pairs for p in pair.parameters()) == 49_536


def test_fresh_pairs_change_nothing_and_leave_no_trace(host):
    before = estimate(host.unet, *rows())
    assert torch.equal(
        said(host, [lora.fresh(host.unet, lora.inside_transformers(host.unet), 1, train.seeded(0))]), before
    )
    said(host, [lively(host, 1)])
    assert torch.equal(estimate(host.unet, *rows()), before)


def test_pairs_say_what_their_product_adds_to_the_weights(host):
    pairs = lively(host, 1, rank=3)
    assert torch.allclose(said(host, [pairs]), merged(host, {n: p.delta for n, p in pairs.items()}), atol=1e-10)


def test_a_convolution_with_a_kernel_has_a_pair_of_its_kernel():
    layer = nn.Conv2d(3, 5, 3, padding=1).double()
    pair = lora.Pair(layer, 2).double()
    for weight in pair.weights:  # of a new pair `down` is drawn by whoever made it
        weight.data.normal_()
    x = torch.randn(2, 3, 6, 6, dtype=torch.float64)
    wanted = torch.conv2d(x, pair.delta, padding=1)
    assert pair.weights[0].shape == (2, 3, 3, 3) and torch.allclose(pair(x), wanted, atol=1e-12)


def test_several_sets_are_the_sum_of_their_products_each_times_its_scale(host):
    one, two = lively(host, 1), lively(host, 2)
    wanted = merged(host, {n: 0.5 * p.delta + 0.8 * two[n].delta for n, p in one.items()})
    assert torch.allclose(said(host, [one, two], [0.5, 0.8]), wanted, atol=1e-10)


def test_squared_scales_are_the_product_of_the_scaled_sums(host):
    one, two = lively(host, 1), lively(host, 2)

    def product(name: str) -> torch.Tensor:
        (d1, u1), (d2, u2) = one[name].weights, two[name].weights
        down, up = 0.5 * d1 + 0.8 * d2, 0.5 * u1 + 0.8 * u2
        return (up.flatten(1) @ down.flatten(1)).view(one[name].delta.shape)

    wanted = merged(host, {n: product(n) for n in one})
    assert torch.allclose(said(host, [one, two], [0.5, 0.8], squared=True), wanted, atol=1e-10)
    quarter = merged(host, {n: 0.25 * p.delta for n, p in one.items()})
    assert torch.allclose(said(host, [one], [0.5], squared=True), quarter, atol=1e-10)


def test_a_scale_a_row_scales_that_row_alone(host):
    pairs = lively(host, 1)
    mixed = said(host, [pairs], [torch.tensor([0.0, 1.0], dtype=torch.float64)])
    assert torch.allclose(mixed[:1], estimate(host.unet, *rows())[:1], atol=1e-10)
    assert torch.allclose(mixed[1:], said(host, [pairs])[1:], atol=1e-10)


def test_sets_of_different_layers_go_side_by_side(host):
    keys, values = (
        lively(host, i, 2, lora.cross_attentions(host.unet, (end,))) for i, end in enumerate(("to_k", "to_v"))
    )
    wanted = merged(host, {n: p.delta for n, p in {**keys, **values}.items()})
    assert torch.allclose(said(host, [keys, values]), wanted, atol=1e-10)


def test_what_is_written_is_read_back(host):
    sets = [lively(host, 1), lively(host, 2)]
    edit = Edit(lora.tensors(sets), {"sets": 2})
    assert torch.equal(said(host, lora.sets(host.unet, edit)), said(host, sets))
    one, two = (Edit(lora.tensors([s]), {"sets": 1}) for s in sets)
    assert lora.side_by_side([one, two]).keys() == edit.tensors.keys()


def test_a_layer_of_another_model_is_refused(host):
    name, pair = next(iter(lively(host, 1).items()))
    down, up = pair.weights
    for held, says in (
        ({"nothing.down.weight": down, "nothing.up.weight": up}, "has no linear layer for"),
        ({f"{name}.down.weight": down}, "is not whole"),
        ({f"{name}.down.weight": down[:, 1:], f"{name}.up.weight": up}, "does not fit"),
    ):
        with pytest.raises(UserError, match=says):
            lora.loaded(host.unet, held)
    with pytest.raises(UserError, match="beside its 1 sets"):
        lora.sets(host.unet, Edit({"unet.x": down}, {"sets": 1}))
