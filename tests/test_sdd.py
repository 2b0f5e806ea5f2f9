"""SDD: its objective beside ESD's and CA's, its mean, and that it reaches every concept of a list."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import tiny_kinds
import torch

from dumo_bench.baselines import ca, esd, sdd
from dumo_bench.baselines.sdd import PLANS, SDD, TRAINED
from dumo_bench.hosts import sd
from dumo_bench.kit import latents, parameters, train
from dumo_bench.kit.latents import Latents, Trajectory
from dumo_bench.kit.lesson import Lesson, Plan


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


def rows(host, text: str = "a photo of ghost", n: int = 2) -> Latents:
    """Rows of a text, towards the empty one."""
    z = torch.randn(n, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    context, anchor = sd.encode(host, [text] * n), sd.encode(host, [""] * n)
    return Latents(z, torch.tensor([10, 700]), context, anchor, sd.tokens(host, [text] * n)[0])


def moved(host):
    """A student that is no longer the model, with what of it learns."""
    names = parameters.SELECTIONS["attn2"](host.unet)
    student = parameters.twin(host.unet, names)
    free = [dict(student.named_parameters())[n] for n in names]
    for p in free:
        p.data.mul_(1.5)
    return student, free


def gradients(loss, free):
    return torch.autograd.grad(loss, free)


def test_the_first_step_is_that_of_esd_at_eta_zero(host):
    names = parameters.SELECTIONS["attn2"](host.unet)
    student = parameters.twin(host.unet, names)
    free, these = [dict(student.named_parameters())[n] for n in names], rows(host)
    own, other = sdd.objective(student, these), esd.objective(host.unet, student, these, eta=0.0)
    assert torch.equal(own, other) and bool(own > 0)
    assert all(map(torch.equal, gradients(own, free), gradients(other, free)))


def test_later_its_target_moves_with_the_weights_and_esd_s_does_not(host):
    (student, free), these = moved(host), rows(host)
    made, bare = (latents.estimate(student, these.z, these.t, c) for c in (these.context, these.anchor))
    wanted = (made - bare.detach()).square().mean()
    found = sdd.objective(student, these)
    assert torch.allclose(found, wanted, rtol=1e-9)
    assert not torch.allclose(found, esd.objective(host.unet, student, these, eta=0.0), rtol=1e-3)
    for a, b in zip(gradients(found, free), gradients(wanted, free), strict=True):
        assert torch.allclose(a, b, atol=1e-12)


def test_it_is_ca_with_an_empty_anchor_on_its_own_latents(host):
    (student, free), these = moved(host), rows(host)
    of_anchors = ca.Rows(these.z, these.t, torch.zeros_like(these.z), these.context, these.anchor)
    own, other = sdd.objective(student, these), ca.objective(student, of_anchors, prior=0.0)
    assert torch.equal(own, other)
    assert all(map(torch.equal, gradients(own, free), gradients(other, free)))


@pytest.mark.parametrize("variant", TRAINED)
def test_exactly_the_variant_s_weights_change(host, variant):
    host = tiny_kinds.quick_host("flux") if variant == "attn" else host
    made = SDD(variant=variant).fit(host, ["ghost"], seed=0).tensors
    own = dict(host.unet.named_parameters())
    assert list(made) == [f"{host.kind.network}.{n}" for n in parameters.selected(host, TRAINED[variant])]
    assert sum(not torch.equal(t, own[n.partition(".")[2]]) for n, t in made.items()) > 0.9 * len(made)


def test_the_result_is_the_mean_of_the_weights_which_a_decay_of_0_999_hardly_moves(host):
    own = dict(host.unet.named_parameters())

    def far(**settings) -> float:
        made = SDD(steps=1, **settings).fit(host, ["ghost"], seed=0).tensors
        return sum(float((t - own[n.partition(".")[2]]).norm()) for n, t in made.items())

    last = far(ema=0.0)
    assert last > 0
    assert far(ema=0.5) == pytest.approx(0.5 * last, rel=1e-6)
    assert far(ema=0.999) == pytest.approx(0.001 * last, rel=1e-6)


def test_latents_are_sampled_by_the_mean_not_by_the_student(host):
    """With a decay of almost 1 the mean stays the model, whatever the student becomes."""
    still = tiny.planned(host, "sdd", ema=1 - 1e-12, lr=1.0, steps=3, retain=0.0)
    seen: list[torch.Tensor] = []
    whole = sdd.objective

    def watched(student, these):
        seen.append(these.z[:1])
        return whole(student, these)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sdd, "objective", watched)
        for lr in (1e-9, 1.0):
            SDD(lr=lr).fit(still, ["ghost"], seed=0)
    assert len(seen) == 6
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(seen[:3], seen[3:], strict=True))


@pytest.mark.parametrize("harvest", [0, 3])
def test_every_concept_of_a_list_is_taught_in_turn(host, harvest):
    erase = ["ghost", "alien", "cat"]
    plan = Plan(steps=6, lr=1.0, run=Trajectory(2), harvest=harvest, refresh=1, rows=1)
    lesson = Lesson(host, plan, erase, train.seeded(0), mix="joined")
    guide = lambda given: sd.stock_guide(host, given)  # noqa: E731
    g = train.seeded(1)
    words = {name: host.tokenizer(name).input_ids[1] for name in ("ghost", "alien", "cat")}
    taught = [lesson.rows(step, guide, g)[0].ids[0].tolist() for step in range(6)]
    for step, ids in enumerate(taught):
        assert [name for name, word in words.items() if word in ids] == [erase[step % 3]]


def test_bare_names_are_sampled_as_one_text_with_commas_and_each_has_its_own_context(host):
    asked: list[str] = []

    def guide(given):
        asked.extend(given.texts)
        return sd.stock_guide(host, given)

    plan = replace(PLANS["paper"], run=Trajectory(2), rows=2)
    lesson = Lesson(host, plan, ["ghost", "alien"], train.seeded(0), mix="joined")
    found, _ = lesson.rows(1, guide, train.seeded(1))
    assert asked == ["ghost, alien"] * 2
    assert torch.equal(found.context, sd.encode(host, ["alien"] * 2))
    assert torch.equal(found.anchor, sd.encode(host, [""] * 2))


def test_the_published_numbers_are_the_release_s_and_every_task_has_them():
    paper = PLANS["paper"]
    assert (paper.steps, paper.lr, paper.ema, paper.rows, paper.retain) == (1500, 1e-5, 0.999, 1, 0.0)
    assert (paper.run.steps, paper.run.guidance) == (50, 3.0)
    bare = replace(tiny.host(), plans={})
    assert {SDD(**own).plan(bare) for own in SDD.by_task.values()} == {paper}
    assert {SDD(**own).variant for own in SDD.by_task.values()} == {"x"}
