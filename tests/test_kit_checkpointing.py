from __future__ import annotations

import pytest
import tiny
import torch

from dumo_bench.kit.checkpointing import recomputed
from dumo_bench.methods.epr import EPR, corrected, scaled


@pytest.fixture(scope="module")
def host():
    return tiny.host("float64")


def lively(host):
    """An EPR that corrects something, for which gradients pass through the frozen decoder."""
    torch.manual_seed(0)
    epr = EPR(host.unet).requires_grad_(True)
    for conv in (*epr.dumo_down_blocks, epr.dumo_mid_block):
        torch.nn.init.normal_(conv.weight, std=0.1)
    return epr


def gradients(host, epr, *nets):
    """Of a loss behind the U-Net's decoder, and how often the EPR's first block ran."""
    g, config = torch.Generator().manual_seed(0), host.unet.config
    z = torch.randn(2, config.in_channels, 8, 8, generator=g, dtype=torch.float64)
    c = torch.randn(2, 77, config.cross_attention_dim, generator=g, dtype=torch.float64)
    t, calls = torch.tensor([10, 500]), []
    heard = epr.down_blocks[0].resnets[0].register_forward_pre_hook(lambda *_: calls.append(1))
    with recomputed(*nets):
        loss = corrected(host.unet, z, t, c, scaled(epr, torch.ones(20, 13, dtype=z.dtype), z, t, c)).square().mean()
        found = torch.autograd.grad(loss, list(epr.parameters()))
    heard.remove()
    return found, len(calls)


def flags(*nets):
    asked = ("gradient_checkpointing", "_gradient_checkpointing_func")
    return [{name: own for name, own in vars(m).items() if name in asked} for net in nets for m in net.modules()]


def test_blocks_are_computed_twice_with_the_same_gradients_and_are_as_before_afterwards(host):
    epr = lively(host)
    before = flags(epr, host.unet)
    plain, once = gradients(host, epr)
    saving, twice = gradients(host, epr, epr, host.unet)
    assert (once, twice) == (1, 2)
    assert all(torch.allclose(x, y, atol=1e-12, rtol=0) for x, y in zip(plain, saving, strict=True))
    assert flags(epr, host.unet) == before


def test_an_error_leaves_the_blocks_as_they_were(host):
    before = flags(host.unet)
    with pytest.raises(KeyError), recomputed(host.unet):
        assert flags(host.unet) != before
        raise KeyError
    assert flags(host.unet) == before


def test_when_it_is_not_asked_for_nothing_changes(host):
    before = flags(host.unet)
    with recomputed(host.unet, when=False):
        assert flags(host.unet) == before
