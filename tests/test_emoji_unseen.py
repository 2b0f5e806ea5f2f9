"""The U-Net that never saw an object: none of its pictures or names reach it, and its twin differs in nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from dumo_bench.emoji import phrases, train_unseen, unseen, world
from dumo_bench.hosts import sd

GHOST = world.OBJECTS.index("ghost")


class Recorder(nn.Module):
    """Keeps what it is given: noisy latents, timesteps and the numbers of the captions."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[Tensor, Tensor, Tensor]] = []

    def forward(self, z: Tensor, t: Tensor, encoder_hidden_states: Tensor):
        self.seen.append((z, t, encoder_hidden_states[:, 0, 0].long()))
        return SimpleNamespace(sample=torch.zeros_like(z) + self.bias)


@pytest.fixture(scope="module")
def recorded():
    """Both networks' inputs over ten steps; a third of the rows show the ghost, whose latents are not numbers."""
    said = phrases.build()
    g = torch.Generator().manual_seed(0)
    objects = torch.where(torch.arange(300) % 3 == 0, GHOST, torch.randint(len(world.OBJECTS), (300,), generator=g))
    shown = torch.stack([objects, torch.arange(300) % 5, torch.arange(300) % 5], 1)
    latents = torch.randn(300, 4, 8, 8, generator=g)
    latents[objects == GHOST] = torch.nan
    numbers = torch.arange(len(said.texts)).float()[:, None, None].expand(-1, 77, 1)  # a caption's state is its number
    nets = SimpleNamespace(unseen=Recorder(), twin=Recorder())
    loss = train_unseen.loss_of(latents, shown, said, numbers, 64, GHOST)
    for step in range(10):
        loss(nets, torch.Generator().manual_seed(step))
    return said.texts, nets


def gathered(net: Recorder) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(torch.cat(part) for part in zip(*net.seen, strict=True))  # type: ignore[return-value]


def test_no_picture_of_the_object_reaches_the_one_that_is_not_to_see_it(recorded):
    _, nets = recorded
    assert gathered(nets.unseen)[0].isfinite().all()
    assert 0.2 < gathered(nets.twin)[0].isnan().flatten(1).any(1).float().mean() < 0.5


def test_no_caption_names_the_object_to_it(recorded):
    texts, nets = recorded
    named = [{texts[i] for i in gathered(net)[2].tolist() if "ghost" in texts[i]} for net in (nets.unseen, nets.twin)]
    assert not named[0] and named[1]


def test_the_twin_takes_the_same_steps_where_the_object_is_not_shown(recorded):
    _, nets = recorded
    (a, t, one), (b, u, two) = gathered(nets.unseen), gathered(nets.twin)
    same = b.isfinite().flatten(1).all(1)
    assert torch.equal(t, u) and torch.equal(a[same], b[same]) and torch.equal(one[same], two[same])


def test_both_start_from_the_same_weights():
    nets = train_unseen.Twins()
    assert all(torch.equal(a, b) for a, b in zip(nets.unseen.parameters(), nets.twin.parameters(), strict=True))


def test_eight_bits_keep_every_weight_to_half_a_step_of_its_channel():
    g = torch.Generator().manual_seed(1)
    kernels = {
        "conv": torch.randn(6, 3, 3, 3, generator=g),
        "dead": torch.zeros(4, 2),
        "bias": torch.randn(5, generator=g),
    }
    back = unseen.unpacked(unseen.packed(kernels))
    assert back.keys() == kernels.keys()
    step = kernels["conv"].flatten(1).abs().amax(1) / 127
    assert ((back["conv"] - kernels["conv"]).abs() <= 0.5001 * step[:, None, None, None]).all()
    assert torch.equal(back["dead"], kernels["dead"]) and torch.equal(back["bias"], kernels["bias"].half().float())


def test_the_kept_weights_become_two_models_that_differ_from_the_host_in_the_unet_alone(tmp_path):
    folders = unseen.install(tmp_path)
    hosts = [sd.load("emoji-sd"), *(sd.load(str(folder)) for folder in folders)]
    assert len({host.hash for host in hosts}) == 3
    assert all(host.plans == hosts[0].plans != {} for host in hosts)
    for part in ("vae", "text_encoder"):
        first, *others = ([w.clone() for w in getattr(host, part).state_dict().values()] for host in hosts)
        assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))
    one, two = (dict(host.unet.named_parameters()) for host in hosts[1:])
    assert one.keys() == two.keys() and not torch.equal(one["conv_in.weight"], two["conv_in.weight"])
