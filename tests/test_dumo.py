"""DuMo: shapes, counts and identities of arXiv 2501.01125 as its published code has them."""

from __future__ import annotations

from functools import partial

import pytest
import tiny
import torch

from dumo_bench.hosts import sample, sd
from dumo_bench.kit import latents, train
from dumo_bench.kit.gate import Gate
from dumo_bench.methods.dumo import DuMo, load
from dumo_bench.methods.dumo_recipe import objective
from dumo_bench.methods.epr import EPR, Blend, corrected, features, scaled, widths
from dumo_bench.methods.tlmo import BINS, Line, Scale, bins, named, start
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


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


def test_epr_of_sd_v1_4_has_360192640_parameters_and_the_published_shapes():
    unet = tiny.sd14()
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
    rows = latents.Latents(z, t, context, context.flip(0), t)
    epr = EPR(host.unet).requires_grad_(True)
    table = torch.ones(BINS, 13, dtype=torch.float64, requires_grad=True)
    loss = objective(host.unet, (rows, rows), partial(scaled, epr, table), 0.0, 1.0)
    loss.backward()
    for name, p in epr.named_parameters():
        moved = p.grad is not None and bool(p.grad.abs().max() > 0)
        assert moved == name.startswith("dumo_"), name
    assert not table.grad.any()
    assert all(p.grad is None for p in host.unet.parameters())


def test_before_training_the_objective_is_the_wanted_change_and_prompts_to_keep_add_nothing(host, inputs):
    """(1 + ng)^2 |e_p - e_a|^2, whatever the numbers of rows: with no correction what is made is e_p."""
    z, t, context = inputs
    erase, keep = (
        latents.Latents(z, t, context, context.flip(0), t),
        latents.Latents(z, t, context, context, t).rows(t[:1] * 0),
    )
    with torch.no_grad():
        own, anchor = (host.unet(z, t, encoder_hidden_states=c).sample for c in (context, context.flip(0)))
        found = objective(host.unet, (erase, keep), EPR(host.unet), 0.5, 1.0)
    assert torch.allclose(found, 1.5**2 * (own - anchor).square().mean())


def test_steps_lower_the_objective_on_a_fixed_batch(host, inputs):
    z, t, context = inputs
    rows = latents.Latents(z, t, context, context.flip(0), t)
    epr, table = EPR(host.unet), torch.ones(BINS, 13, dtype=torch.float64)

    def loss(step, g):
        return objective(host.unet, (rows, rows), partial(scaled, epr, table), 0.0, 1.0)

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
            return guide(given)(sd.latents(host, jobs[0].draw, 64, 64), torch.tensor(500))

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
    assert DuMo().parts(None, ["a", "b", "c"]) == [("a",), ("b",), ("c",)]
    assert DuMo().parts(None, ["a", "b", "c", "d"]) == [("a", "b", "c", "d")]


def test_without_mid_the_middle_is_never_corrected(host):
    edit = DuMo(mid=False).fit(host, ("ghost",), seed=0)
    assert not edit.tensors["tlmo.0"][:, -1].any()


KINDS = ("table", "layer", "time", "linear", "blend", "off")


@pytest.fixture(scope="module")
def ablations(host) -> dict[str, Edit]:
    return {kind: DuMo(tlmo=kind).fit(host, ("ghost",), seed=0) for kind in KINDS}


def test_every_ablation_says_in_its_edit_what_it_is_and_learns_what_it_has(ablations):
    assert [ablations[kind].header["tlmo"] for kind in KINDS] == list(KINDS)
    table, layer, time, off = (ablations[kind].tensors["tlmo.0"] for kind in ("table", "layer", "time", "off"))
    assert all(t.shape == (BINS, 13) for t in (table, layer, time, off))
    assert torch.equal(layer, layer[:1].expand(BINS, 13)) and len(layer[0].unique()) > 1
    assert torch.equal(time, time[:, :1].expand(BINS, 13)) and len(time[:, 0].unique()) > 1
    assert len(table[:, 0].unique()) > 1 and len(table[19].unique()) > 1
    assert (off == 1).all() and "tlmo" not in ablations["off"].header["curves"]
    for kind, begins in (("linear", 1.0), ("blend", -2.0)):
        assert ablations[kind].tensors["tlmo.0.weight"].any()
        assert (ablations[kind].tensors["tlmo.0.bias"] != begins).any()


def test_the_blend_has_no_1x1_convolutions_and_saves_no_frozen_copy(host, ablations):
    names = {k.removeprefix("epr.0.") for k in ablations["blend"].tensors if k.startswith("epr.")}
    encoder = ("conv_in.", "time_embedding.", "down_blocks.", "mid_block.")
    assert names == {k for k in host.unet.state_dict() if k.startswith(encoder)}


def begun(host, kind: str, mid: float = 1.0) -> Scale:
    heed = torch.ones(13)
    heed[-1] = mid
    return start(kind, heed, host.unet.time_embedding.linear_2.out_features)[1]()


@pytest.mark.parametrize("kind", KINDS)
def test_every_scale_starts_at_one_but_the_blend_and_none_changes_a_bit_at_first(host, inputs, kind):
    z, t, context = inputs
    epr, scale = (Blend if kind == "blend" else EPR)(host.unet), begun(host, kind)
    plain = host.unet(z, t, encoder_hidden_states=context).sample
    assert torch.equal(plain, corrected(host.unet, z, t, context, scaled(epr, scale, z, t, context)))
    epr = lively(host)
    share = torch.sigmoid(torch.tensor(-2.0)) if kind == "blend" else 1.0
    for made, raw in zip(scaled(epr, scale, z, t, context), epr(z, t, context), strict=True):
        assert torch.allclose(made, share * raw)


def test_the_linear_scale_is_one_plus_a_map_of_the_time_embedding(host, inputs):
    z, t, context = inputs
    epr, width = lively(host), host.unet.time_embedding.linear_2.out_features
    weight = torch.randn(13, width, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    line = Line(weight, torch.ones(13, dtype=torch.float64), torch.ones(13, dtype=torch.float64), squash=False)
    when = epr.time_embedding(epr.time_proj(t).double())
    a = 1 + when @ weight.T / width
    for i, (made, raw) in enumerate(zip(scaled(epr, line, z, t, context), epr(z, t, context), strict=True)):
        assert torch.allclose(made, a[:, i, None, None, None] * raw)


def test_the_blend_mixes_the_skips_of_the_unet_with_those_of_epr(host, inputs):
    z, t, context = inputs
    epr = Blend(host.unet)
    for p in epr.parameters():
        p.data += 0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3), dtype=p.dtype)
    made = scaled(epr, begun(host, "blend"), z, t, context)
    share = 1 / (1 + 2.718281828459045**2)
    own, changed = features(host.unet, z, t, context), features(epr, z, t, context)
    for r, s, f in zip(made, own, changed, strict=True):
        assert torch.allclose(s + r, (1 - share) * s + share * f, atol=1e-6)


def test_the_features_of_the_unet_are_the_skips_its_decoder_takes(host, inputs):
    """Subtracted from the skips and the middle they leave the decoder nothing of the latents."""
    z, t, context = inputs
    gone = [corrected(host.unet, x, t, context, [-f for f in features(host.unet, x, t, context)]) for x in (z, 2 * z)]
    assert torch.allclose(*gone, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_without_mid_no_scale_lets_the_middle_through(host, inputs, kind):
    z, t, context = inputs
    made = scaled(lively(host), begun(host, kind, mid=0.0), z, t, context)
    assert not made[-1].any() and all(r.any() for r in made[:-1])


@pytest.mark.parametrize("kind", ["layer", "linear", "blend"])
def test_joined_ablations_are_read_back_as_they_were_saved(host, ablations, kind):
    edit = DuMo().join([ablations[kind], ablations[kind]])
    read = load(host, edit)
    z, t, context = sd.latents(host, tiny.job().draw, 64, 64), torch.tensor([400]), sd.encode(host, ["a ghost"])
    one, two = (scaled(epr, scale, z, t, context) for epr, scale in read)
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
    assert any(r.any() for r in one)
    saved = {f"tlmo.1{k}": v for k, v in named(read[1][1]).items()}
    assert all(torch.equal(v, edit.tensors[k]) for k, v in saved.items())


def test_an_edit_that_does_not_say_its_scale_has_a_table(host, ablations):
    known = {k: v for k, v in ablations["table"].header.items() if k != "tlmo"}
    ((_, scale),) = load(host, Edit(ablations["table"].tensors, known))
    assert torch.equal(scale, ablations["table"].tensors["tlmo.0"])


def test_explicit_concepts_have_neither_gate_nor_tlmo_and_no_task_has_anything_else_of_its_own():
    assert DuMo.by_task == {"explicit": {"gate": False, "tlmo": "off"}}


def test_on_policy_latents_start_at_noise_and_carry_their_own_timesteps(host):
    plan = latents.Trajectory(steps=4, guidance=1.0)
    made = latents.trajectory(host, partial(sd.stock_guide, host), ["a dog"], [""], plan, train.seeded(0))
    schedule = sample.scheduler(host, "ddim", 4)
    assert made.t.tolist() == schedule.timesteps.tolist()
    z = torch.randn(1, 4, 8, 8, generator=train.seeded(0)).double()
    denoise = sd.stock_guide(host, sd.conditions(host, ["a dog"], [1.0]))
    with torch.no_grad():
        for k, t in enumerate(schedule.timesteps):
            assert torch.allclose(made.z[k], z[0]), k
            z = schedule.step(denoise(z, t), t, z).prev_sample


def test_a_concept_is_taken_out_of_a_prompt_as_whole_words():
    assert train.without("a ghost in noto style", ["ghost"]) == "in noto style"
    assert train.without("Ghosts and a ghost", ["ghost"]) == "Ghosts and"
    assert train.without("something red, ghost, blue", ["ghost"]) == "something red, blue"
    assert train.mentions("a Ghost.", "ghost") and not train.mentions("ghosts", "ghost")


def test_what_only_says_whose_style_it_is_goes_with_the_artist():
    for said in (
        "{} in noto style",
        "{} drawn by noto",
        "{} by noto",
        "{}, noto style",
        "{} in the style of noto",
        "noto {}",
    ):
        assert train.without(said.format("a bear"), ["noto"]) == "a bear", said
    assert train.without("a picture by noto on a pink background", ["noto"]) == "a picture on a pink background"
    assert train.without("a bear by notos in not style", ["noto"]) == "a bear by notos in not style"
