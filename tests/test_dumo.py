"""DuMo: shapes, counts and identities of arXiv 2501.01125 as its published code has them."""

from __future__ import annotations

import pytest
import tiny
import torch

from dumo_bench import sample, sd
from dumo_bench.kit import latents, train
from dumo_bench.methods.dumo import DuMo, Gate
from dumo_bench.methods.dumo_recipe import Wish, objective
from dumo_bench.methods.epr import BINS, EPR, bins, corrected, scaled, widths
from dumo_bench.types import Edit

WISH = Wish(negative=0.0, retain=1.0, tlmo=True, mid=True, steps=None, lr=None)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    tiny.quick_dumo()
    return tiny.host("float64")


@pytest.fixture(scope="module")
def inputs(host):
    g = torch.Generator().manual_seed(0)
    z = torch.randn(3, 4, 8, 8, generator=g, dtype=torch.float64)
    return z, torch.tensor([10, 500, 999]), sd.encode(host, ["a ghost", "a dog", ""])


def lively(host) -> EPR:
    """An EPR whose 1x1 convolutions are no longer zero."""
    epr, g = EPR(host.unet), torch.Generator().manual_seed(1)
    for conv in (*epr.dumo_down_blocks, epr.dumo_mid_block):
        conv.weight.data = 0.1 * torch.randn(conv.weight.shape, generator=g, dtype=torch.float64)
    return epr.eval()


def sd14_unet():
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        return UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            cross_attention_dim=768,
            attention_head_dim=8,
        )


def test_epr_of_sd_v1_4_has_360192640_parameters_and_the_published_shapes():
    unet = sd14_unet()
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    epr = EPR(unet)
    assert sum(p.numel() for p in epr.parameters()) == 360_192_640
    meta = {"device": "meta"}
    out = epr(torch.empty(2, 4, 64, 64, **meta), torch.empty(2, **meta), torch.empty(2, 77, 768, **meta))
    sizes = [(320, 64)] * 3 + [(320, 32)] + [(640, 32)] * 2 + [(640, 16)] + [(1280, 16)] * 2 + [(1280, 8)] * 4
    assert [tuple(r.shape) for r in out] == [(2, c, s, s) for c, s in sizes]


def test_residuals_have_the_shapes_of_the_skips_and_the_middle(host, inputs):
    out = EPR(host.unet)(*inputs)
    assert [r.shape[1] for r in out] == widths(host.unet.config)
    assert [r.shape[-1] for r in out] == [8, 8, 8, 4, 4, 4, 2, 2, 2, 1, 1, 1, 1]


def test_a_new_epr_changes_no_bit(host, inputs):
    z, t, context = inputs
    plain = host.unet(z, t, encoder_hidden_states=context).sample
    table = torch.ones(BINS, 13, dtype=torch.float64)
    assert torch.equal(plain, corrected(host.unet, z, t, context, scaled(EPR(host.unet), table, z, t, context)))


def test_a_closed_gate_changes_no_bit_and_an_open_one_does(host, inputs):
    z, t, context = inputs
    plain = host.unet(z, t, encoder_hidden_states=context).sample
    table, epr = torch.ones(BINS, 13, dtype=torch.float64), lively(host)
    gate = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    mixed = corrected(host.unet, z, t, context, scaled(epr, table, z, t, context, gate))
    assert torch.equal(mixed[[0, 2]], plain[[0, 2]])
    assert (mixed[1] - plain[1]).abs().max() > 1e-4


def test_a_table_of_ones_is_epr_alone_and_each_row_serves_its_own_timesteps(host, inputs):
    z, t, context = inputs
    epr, table = lively(host), torch.ones(BINS, 13, dtype=torch.float64)
    raw = epr(z, t, context)
    assert all(torch.equal(a, b) for a, b in zip(raw, scaled(epr, table, z, t, context), strict=True))
    table[10] = torch.arange(13)  # timesteps 500 to 549
    for layer, (a, b) in enumerate(zip(raw, scaled(epr, table, z, t, context), strict=True)):
        assert torch.equal(a[[0, 2]], b[[0, 2]])
        assert torch.allclose(layer * a[1], b[1])


def test_bins_are_fifty_timesteps_wide():
    assert bins(torch.tensor([0.0, 49.9, 50.0, 999.0])).tolist() == [0, 0, 1, 19]


def test_at_the_start_only_the_1x1_convolutions_learn_and_the_table_cannot(host, inputs):
    z, t, context = inputs
    rows = latents.Latents(z, t, context, context.flip(0))
    epr = EPR(host.unet).requires_grad_(True)
    table = torch.ones(BINS, 13, dtype=torch.float64, requires_grad=True)
    loss = objective(host, WISH, (rows, rows), lambda z, t, c: scaled(epr, table, z, t, c))
    loss.backward()
    for name, p in epr.named_parameters():
        moved = p.grad is not None and bool(p.grad.abs().max() > 0)
        assert moved == name.startswith("dumo_"), name
    assert not table.grad.any()
    assert all(p.grad is None for p in host.unet.parameters())


def test_steps_lower_the_objective_on_a_fixed_batch(host, inputs):
    z, t, context = inputs
    rows = latents.Latents(z, t, context, context.flip(0))
    epr, table = EPR(host.unet), torch.ones(BINS, 13, dtype=torch.float64)

    def loss(step, g):
        return objective(host, WISH, (rows, rows), lambda z, t, c: scaled(epr, table, z, t, c))

    curve = train.fit(loss, epr.requires_grad_(True).parameters(), train.Fit(8, 1e-3), train.seeded(0))
    assert curve[-1] < 0.9 * curve[0]


def moved(host, erase, seed=5) -> Edit:
    """An edit of several concepts whose corrections are large enough to see."""
    method = DuMo(gate=False)
    made = method.fit(host, erase, seed=seed)
    g = torch.Generator().manual_seed(len(erase[0]))
    lively = {
        k: t + 0.05 * torch.randn(t.shape, generator=g, dtype=t.dtype) * ("dumo_" in k) for k, t in made.tensors.items()
    }
    return Edit(lively, made.header)


def test_two_concepts_add_up_in_either_order(host):
    one, two = moved(host, ("ghost",)), moved(host, ("alien",))
    method, jobs = DuMo(gate=False), [tiny.job("a ghost", 1)]

    def estimate(edit):
        with method.apply(host, edit) as guide:
            given = sd.conditions(host, ["a ghost"], [3.0])
            return guide(given)(sd.latents(host, jobs[0].draw, 64, 64), torch.tensor(500), 0)

    forward, backward = estimate(method.join([one, two])), estimate(method.join([two, one]))
    assert torch.allclose(forward, backward, atol=1e-12)
    assert (forward - estimate(one)).abs().max() > 1e-6


def test_the_gate_is_one_where_the_concept_is_named_and_ignores_other_prompts(host):
    gate = Gate(host, ["ghost"])
    given = sd.conditions(host, ["a photo of ghost", "a dog", ""], [1.0] * 3)
    m = gate(given)
    assert m[0] == 1
    assert (m[1:] < 1).all() and (m[1:] >= -1).all()
    assert torch.allclose(m[1:2], gate(sd.conditions(host, ["a dog"], [1.0])))


def test_half_of_a_two_word_concept_opens_the_gate_by_half_or_its_cosine(host):
    both = Gate(host, ["ghost alien"])
    given = sd.conditions(host, ["a ghost", "alien ghost"], [1.0, 1.0])
    states = torch.nn.functional.normalize(sd.encode(host, ["a ghost", "ghost alien"]).flatten(1), dim=1)
    assert both(given)[0] == pytest.approx(max(0.5, float(states[0] @ states[1])))
    assert both(given)[1] == 1


def test_a_gate_of_several_words_opens_for_any_of_them(host):
    given = sd.conditions(host, ["a dog", "a ghost", "alien"], [1.0] * 3)
    assert Gate(host, ["ghost", "alien"])(given)[1:].tolist() == [1, 1]


def test_more_than_three_concepts_share_one_epr():
    assert DuMo().parts(["a", "b", "c"]) == [("a",), ("b",), ("c",)]
    assert DuMo().parts(["a", "b", "c", "d"]) == [("a", "b", "c", "d")]


def test_without_mid_the_middle_is_never_corrected(host):
    edit = DuMo(mid=False).fit(host, ("ghost",), seed=0)
    assert not edit.tensors["tlmo.0"][:, -1].any()


def test_on_policy_latents_start_at_noise_and_carry_their_own_timesteps(host):
    from functools import partial

    plan = latents.Trajectory(steps=4, guidance=1.0)
    made = latents.trajectory(host, partial(sd.stock_guide, host), ["a dog"], [""], plan, train.seeded(0))
    schedule = sample.scheduler(host, "ddim", 4)
    assert made.t.tolist() == schedule.timesteps.tolist()
    z = torch.randn(1, 4, 8, 8, generator=train.seeded(0)).double()
    denoise = sd.stock_guide(host, sd.conditions(host, ["a dog"], [1.0]))
    with torch.no_grad():
        for k, t in enumerate(schedule.timesteps):
            assert torch.allclose(made.z[k], z[0]), k
            z = schedule.step(denoise(z, t, k), t, z).prev_sample


def test_a_concept_is_taken_out_of_a_prompt_as_whole_words():
    assert train.without("a ghost in noto style", ["ghost"]) == "in noto style"
    assert train.without("Ghosts and a ghost", ["ghost"]) == "Ghosts and"
    assert train.mentions("a Ghost.", "ghost") and not train.mentions("ghosts", "ghost")
