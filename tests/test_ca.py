"""CA: what a caption with the concept gives becomes what its anchor's gives, in the weights that the paper trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch.nn import functional as F

from dumo_bench.baselines import ca
from dumo_bench.baselines.ca import CA, PLANS, Pictures, Rows
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.kit import parameters
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.train import seeded


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def twin(host: sd.Host):
    return parameters.twin(host.unet, parameters.SELECTIONS["kv"](host.unet))


def rows(host: sd.Host, n: int = 2) -> Rows:
    g = torch.Generator().manual_seed(0)
    x, noise = (torch.randn(n, 4, 8, 8, generator=g, dtype=torch.float64) for _ in range(2))
    named, anchored = (sd.encode(host, [text] * n) for text in ("a photo of ghost", "a photo of dog"))
    return Rows(x, torch.tensor([700, 10])[:n], noise, named, anchored)


@pytest.mark.parametrize(("preset", "n"), [("concepts", 32), ("nudity", 80)])
def test_exactly_the_presets_weights_change(host, preset, n):
    edit = CA(preset=preset).fit(host, ["ghost"], seed=0)
    assert len(edit.tensors) == n and all("attn2" in name for name in edit.tensors)
    own = dict(host.unet.named_parameters())
    moved = [name for name, t in edit.tensors.items() if not torch.equal(t, own[name.removeprefix("unet.")])]
    assert {n for n in moved if n.endswith(("to_k.weight", "to_v.weight"))} == {
        f"unet.{n}" for n in sd.key_value_names(host.unet)
    }


def test_the_objective_is_the_formula_and_its_target_has_no_gradient(host):
    student, these = twin(host), rows(host)

    def estimate(context):
        return student(these.x, these.t, encoder_hidden_states=context).sample

    free = [p for p in student.parameters() if p.requires_grad]
    made, anchor = estimate(these.named), estimate(these.anchored)
    wanted = (made - anchor.detach()).square().mean() + 0.5 * (anchor - these.noise).square().mean()
    loss = ca.objective(student, these, prior=0.5)
    assert torch.allclose(loss, wanted)
    for a, b in zip(torch.autograd.grad(loss, free), torch.autograd.grad(wanted, free), strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_captions_that_are_their_own_anchors_have_no_loss(host):
    these = rows(host)
    assert ca.objective(twin(host), replace(these, named=these.anchored), prior=0.0) == 0


def test_nothing_is_learnt_from_the_start_token_s_row_and_nothing_else_of_a_pass_changes(host):
    student, these = twin(host), rows(host)
    plain = student(these.x, these.t, encoder_hidden_states=these.named).sample
    start = replace(these, named=these.named[:, :1], anchored=these.anchored[:, :1])
    free = [p for p in student.parameters() if p.requires_grad]
    with ca.start_apart(student):
        assert torch.equal(plain, student(these.x, these.t, encoder_hidden_states=these.named).sample)
        out = student(start.x, start.t, encoder_hidden_states=start.named).sample
        apart = torch.autograd.grad(F.mse_loss(out, these.noise), free)
    assert all(grad.abs().max() == 0 for grad in apart)
    out = student(start.x, start.t, encoder_hidden_states=start.named).sample
    assert any(grad.abs().max() > 0 for grad in torch.autograd.grad(F.mse_loss(out, these.noise), free))


def test_a_caption_s_anchor_is_what_stands_in_the_concept_s_place_or_what_is_left_without_it(host):
    with_dog = dict(CA(anchor=("dog",)).pairs(host, ["ghost"])[0])
    assert with_dog["a photo of ghost"] == "a photo of dog"
    assert dict(CA().pairs(host, ["ghost"])[0])["a picture of ghost at night"] == "a picture of at night"
    ink = replace(host, world={"prompts": ["a dog in ink style"], "styles": ["ink", "noto"]})
    assert CA(**CA.by_task["style"]).pairs(ink, ["ink"]) == [[("a dog in ink style", "a dog")]]


def test_anchors_are_the_papers_for_its_instances_or_one_for_all_or_one_each():
    assert CA().anchors(["R2D2", "ghost"]) == ["robot", ""]
    assert CA(anchor=("dog",)).anchors(["ghost", "alien"]) == ["dog", "dog"]
    assert CA(anchor=("dog", "cat")).anchors(["ghost", "alien"]) == ["dog", "cat"]
    with pytest.raises(UserError, match="2 anchors for 1 concepts: wanted one for all, or one each"):
        CA(anchor=("dog", "cat")).anchors(["ghost"])


def test_pictures_are_the_unedited_model_s_of_the_anchors_and_every_concept_has_its_turn(host):
    plan = replace(PLANS["concepts"], pictures=4, rows=3, run=Trajectory(2, guidance=2.0))
    pairs = [[("a ghost", "a dog")], [("an alien", "a cat")]]
    made = Pictures(host, plan, pairs, seeded(0))
    assert made.said == [pairs[0][0], pairs[1][0]] * 2 and made.z.shape == (4, 4, 8, 8)
    g, guide = seeded(0), lambda given: sd.stock_guide(host, given)
    for _ in range(4):
        torch.randint(1, (1,), generator=g)  # which caption
    noise = torch.randn(4, 4, 8, 8, generator=g).double()
    given = sd.conditions(host, ["a dog", "a cat"] * 2, [2.0] * 4)
    assert torch.allclose(made.z, sample.denoised(guide(given), sample.scheduler(host, "ddim", 2), noise))


def test_rows_are_noised_as_the_model_was_trained(host):
    plan = replace(PLANS["concepts"], pictures=2, rows=5, run=Trajectory(2))
    pictures = Pictures(host, plan, [[("a ghost", "a dog")]], seeded(0))
    these = pictures.draw(seeded(1))
    abar = sample.scheduler(host, "ddim", 1).alphas_cumprod.double()[these.t][:, None, None, None]
    clean = (these.x - (1 - abar).sqrt() * these.noise) / abar.sqrt()
    assert all(min((z - own).abs().max() for own in pictures.z) < 1e-4 for z in clean)
    assert torch.equal(these.named, sd.encode(host, ["a ghost"] * 5))
    assert torch.equal(these.anchored, sd.encode(host, ["a dog"] * 5))


def test_the_noise_of_a_model_of_velocities_is_stated_as_one(host):
    moving = replace(host, schedule={**host.schedule, "prediction_type": "v_prediction"})
    plan = replace(PLANS["concepts"], pictures=1, rows=2, run=Trajectory(2))
    plain, own = (Pictures(h, plan, [[("a ghost", "a dog")]], seeded(0)) for h in (host, moving))
    own.z = plain.z
    noised, stated = plain.draw(seeded(1)), own.draw(seeded(1))
    abar = sample.scheduler(host, "ddim", 1).alphas_cumprod.double()[noised.t][:, None, None, None]
    assert torch.equal(noised.x, stated.x)
    velocity = abar.sqrt() * noised.noise - (1 - abar).sqrt() * plain.z
    assert torch.allclose(stated.noise, velocity, atol=1e-5)


def test_the_published_numbers_are_those_of_the_release_and_the_presets_of_tasks_choose_them():
    bare = replace(tiny.host(), plans={})
    assert CA(**CA.by_task["style"]).plan(bare) == PLANS["concepts"]
    assert CA(**CA.by_task["explicit"]).plan(bare) == PLANS["nudity"]
    assert [(p.steps, p.lr, p.rows, p.pictures, p.prior, p.retain) for p in PLANS.values()] == [
        (100, 8 * 2e-6, 8, 1000, 0.0, 0.0),
        (400, 8 * 4e-6, 8, 1000, 1.0, 0.0),
    ]
