"""ESD: the identities of its objective, and that exactly the chosen weights learn."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import tiny
import tiny_kinds
import torch

from dumo_bench.baselines.esd import ESD, PLANS, TRAINED, Plan, objective
from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import latents, parameters, train
from dumo_bench.kit.latents import Latents, Trajectory
from dumo_bench.kit.lesson import Lesson, unchanged
from dumo_bench.plugins import static

ETAS = (1.0, 3.0, 10.0)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def rows(host) -> Latents:
    z = torch.randn(3, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    texts = ["a ghost", "ghost", "alien in noto style"]
    context, anchor = sd.encode(host, texts), sd.encode(host, ["", "", "in noto style"])
    return Latents(z, torch.tensor([10, 500, 999]), context, anchor, sd.tokens(host, texts)[0])


def gradients(host, rows: Latents, eta: float) -> list[torch.Tensor]:
    """Of the first step: the student is still the frozen model."""
    names = parameters.cross(host.unet)
    student = parameters.twin(host.unet, names)
    learning = [dict(student.named_parameters())[n] for n in names]
    return list(torch.autograd.grad(objective(host.unet, student, rows, eta), learning))


@pytest.mark.parametrize("eta", ETAS)
def test_the_first_gradient_is_one_plus_eta_times_that_of_eta_zero(host, rows, eta):
    plain, pushed = gradients(host, rows, 0.0), gradients(host, rows, eta)
    assert sum(float(g.abs().sum()) for g in plain) > 0
    for a, b in zip(plain, pushed, strict=True):
        assert torch.allclose((1 + eta) * a, b, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("eta", [0.0, *ETAS])
def test_the_first_loss_is_the_square_of_one_plus_eta_times_the_distance_from_the_anchor(host, rows, eta):
    own, away = (latents.estimate(host.unet, rows.z, rows.t, c) for c in (rows.context, rows.anchor))
    first = objective(host.unet, host.unet, rows, eta)
    assert float(first) == pytest.approx((1 + eta) ** 2 * float((own - away).square().mean()), rel=1e-9)


def test_the_later_release_s_target_with_eta_two_is_the_paper_s_with_one(host, rows):
    bare, word = (latents.estimate(host.unet, rows.z, rows.t, c) for c in (rows.anchor, rows.context))
    later = (word - (word - 2.0 * (word - bare))).square().mean()
    assert float(objective(host.unet, host.unet, rows, 1.0)) == pytest.approx(float(later), rel=1e-9)


def test_what_must_stay_costs_nothing_before_the_first_step(host, rows):
    assert float(unchanged(host.unet, host.unet, rows)) == 0.0


def test_steps_lower_the_objective_on_a_fixed_batch(host, rows):
    names = parameters.cross(host.unet)
    student = parameters.twin(host.unet, names)
    learning = [dict(student.named_parameters())[n] for n in names]
    curve = train.fit(
        lambda step, g: objective(host.unet, student, rows, 1.0), learning, train.Fit(8, 1e-3), train.seeded(0)
    )
    assert curve[-1] < 0.9 * curve[0]


@pytest.mark.parametrize(("preset", "variant"), [(p, v) for p, variants in TRAINED.items() for v in variants])
def test_an_edit_holds_exactly_the_weights_of_its_variant_and_all_of_these_moved(host, preset, variant):
    host = tiny_kinds.quick_host(KINDS[preset]) if preset in KINDS else host
    made = ESD(preset=preset, variant=variant).fit(host, ["ghost"], seed=0).tensors
    own = dict(host.unet.named_parameters())
    assert list(made) == [f"{host.kind.network}.{n}" for n in parameters.selected(host, TRAINED[preset][variant])]
    moved = [float((t - own[n.partition(".")[2]]).abs().max()) for n, t in made.items()]
    assert all(0 < m < 0.1 for m in moved)


KINDS = {"sdxl": "sdxl", "flow": "flux"}


@pytest.mark.parametrize(
    ("name", "variant", "n"),
    [
        ("flux", "x", 2 * 2 * 8 + 2 * 2 * 3),  # blocks x (weight, bias) x linear layers: double blocks, single ones
        ("flux", "strict", 2 * 2 * 2 + 2 * 2 * 2),
        ("sd3", "x", 2 * 8 + 2 * 7),  # the last block puts out no text
        ("sd3", "strict", 2 * 2 * 2),
    ],
)
def test_variants_of_transformers_train_linear_layers_of_attentions_with_their_biases(name, variant, n):
    names = ESD(preset="flow", variant=variant).trained(tiny_kinds.host(name))
    assert len(names) == len(set(names)) == n and all(".attn." in one for one in names)


def test_the_release_s_u_of_sdxl_trains_blocks_without_cross_attentions_and_embeddings_of_time():
    host = tiny_kinds.host("sdxl")
    names = ESD(preset="sdxl", variant="u").trained(host)
    layers = {one.rpartition(".")[0] for one in names}
    assert any("attn1" in one for one in layers) and any("conv1" in one for one in layers)
    assert not [one for one in layers if "attn2" in one or "emb" in one or "block" not in one or "norm" in one]


def test_a_variant_that_a_kind_has_not_is_one_line():
    host = tiny_kinds.host("flux")
    for preset, variant, said in (
        ("flow", "u", "no variant 'u': wanted x or strict"),
        ("paper", "x", "called 'attn2'"),
    ):
        with pytest.raises(UserError, match=said):
            ESD(preset=preset, variant=variant).fit(host, ["ghost"], seed=0)


def test_a_strength_between_is_a_mean_of_the_original_and_the_edit(host):
    half, full = (ESD(strength=s).fit(host, ["ghost"], seed=0).tensors for s in (0.5, 1.0))
    own = dict(host.unet.named_parameters())
    assert all(torch.allclose(half[n], (own[n[5:]] + t) / 2) for n, t in full.items())


@pytest.mark.parametrize("extra", [{"ema": 0.9}, {"eta": 3.0}, {"steps": 1}, {"lr": 1e-4}, {"retain": 0.0}])
def test_every_setting_changes_the_edit(host, extra):
    plain, other = (ESD(variant="strict", **s).fit(host, ["ghost"], seed=0).tensors for s in ({}, extra))
    assert any(not torch.equal(t, other[n]) for n, t in plain.items())


def test_checkpointing_gives_the_same_edit(host):
    plain, saving = (ESD(variant="strict", checkpointing=c).fit(host, ["ghost"], seed=0).tensors for c in (False, True))
    assert all(torch.allclose(t, saving[n], atol=1e-12) for n, t in plain.items())
    assert not host.unet.is_gradient_checkpointing


def planned(run: Trajectory, **own) -> Plan:
    return Plan(steps=1, lr=1.0, lr_outside=1.0, run=run, **own)


class Asked:
    """The stock guide, which counts the denoiser's calls and remembers the prompts."""

    def __init__(self, host: sd.Host) -> None:
        self.host, self.calls, self.texts = host, 0, []

    def __call__(self, given):
        self.texts.append(given.texts)
        denoise = sd.stock_guide(self.host, given)

        def counted(z, t):
            self.calls += 1
            return denoise(z, t)

        return counted


def test_the_paper_learns_one_concept_a_step_from_its_name_alone(host):
    asked, g = Asked(host), train.seeded(0)
    lesson = Lesson(host, replace(PLANS["paper"], run=Trajectory(4)), ["ghost", "alien"], g)
    made = [lesson.rows(step, asked, g)[0] for step in range(12)]
    assert {t for texts in asked.texts for t in texts} == {"ghost", "alien"}
    assert all(len(rows) == 1 for rows in made)
    assert all(torch.equal(rows.anchor, sd.encode(host, [""])) for rows in made)


def test_harvested_captions_name_the_concepts_in_turn_and_their_anchors_do_not(host):
    asked, g = Asked(host), train.seeded(0)
    lesson = Lesson(host, planned(Trajectory(2), harvest=6, refresh=3, rows=5), ["ghost", "alien"], g)
    rows = [lesson.rows(step, asked, g)[0] for step in range(4)]
    assert [len(r) for r in rows] == [5] * 4
    assert len(asked.texts) == 2  # of the steps 0 and 3
    assert [train.mentions(t, ("ghost", "alien")[i % 2]) for t in asked.texts for i, t in enumerate(t)] == [True] * 12
    assert not any(torch.equal(r.anchor[i], r.context[i]) for r in rows for i in range(5))


@pytest.mark.parametrize(("on_policy", "same"), [(True, False), (False, True)])
def test_only_the_paper_s_latents_follow_the_student(host, on_policy, same):
    plan = planned(Trajectory(4, align="level"), on_policy=on_policy)
    student, drawn = parameters.twin(host.unet, parameters.cross(host.unet)), {}
    for noisy in (False, True):
        seen: list[torch.Tensor] = []
        hook = student.register_forward_pre_hook(lambda m, args, seen=seen: seen.append(args[0]))
        ESD().loss(host, student, Lesson(host, plan, ["ghost"], train.seeded(3)), 0, train.seeded(4))
        hook.remove()
        drawn[noisy] = seen[-1][-1]
        for name in parameters.cross(student):
            dict(student.named_parameters())[name].data.mul_(1.5)
    assert torch.equal(drawn[False], drawn[True]) == same


def test_what_must_stay_is_added_with_its_weight(host):
    """With a student that has moved, on rows that the same generator draws again."""
    plan = planned(Trajectory(2), on_policy=False, retain=3.0, retain_prompts=2, rows=2, retain_rows=2)
    student = parameters.twin(host.unet, parameters.cross(host.unet))
    for name in parameters.cross(student):
        dict(student.named_parameters())[name].data.mul_(1.5)
    lesson = Lesson(host, plan, ["ghost"], train.seeded(3))
    with torch.no_grad():
        found = ESD().loss(host, student, lesson, 0, train.seeded(4))
        erased, stay = lesson.rows(0, partial(sd.stock_guide, host), train.seeded(4))
        wrong = objective(host.unet, student, erased, 1.0)
        own, made = (latents.estimate(unet, stay.z, stay.t, stay.context) for unet in (host.unet, student))
    moved = (made - own).square().mean()
    assert moved > 1e-3
    assert float(found) == pytest.approx(float(wrong + 3.0 * moved), rel=1e-9)


def test_presets_are_the_published_numbers():
    paper, later = PLANS["paper"], PLANS["2025"]
    assert (paper.steps, paper.lr, paper.lr_outside, paper.retain, paper.rows) == (1000, 1e-5, 1e-5, 0.0, 1)
    assert (later.steps, later.lr, later.on_policy, later.run.align, later.run.side) == (200, 5e-5, False, "level", 2)
    assert (ESD().eta, ESD(preset="2025").eta) == (1.0, 1.0)


def test_a_preset_can_be_named_by_its_year_on_the_command_line():
    assert [static.make("esd", {"preset": year}).preset for year in (2025, "2025")] == ["2025", "2025"]


def test_half_precision_edits_keep_the_host_s_type_and_learn_from_float32(host):
    small = tiny.quick_host("bfloat16")
    made = ESD(variant="strict", lr=1e-5, steps=3, retain=0.0).fit(small, ["ghost"], seed=0).tensors
    assert {t.dtype for t in made.values()} == {torch.bfloat16}


def test_the_guide_is_the_stock_one_with_the_edited_weights(host):
    edit = ESD().fit(host, ["ghost"], seed=0)
    given = sd.conditions(host, ["a ghost"], [3.0])
    z, t = torch.randn(1, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64), torch.tensor(500)
    with torch.no_grad(), ESD().apply(host, edit) as guide, sd.edited(host, edit):
        assert torch.equal(guide(given)(z, t), partial(sd.stock_guide, host)(given)(z, t))
