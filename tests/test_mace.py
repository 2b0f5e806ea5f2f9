"""MACE: its closed forms are the minimisers that arXiv 2403.06135 states, its LoRA takes attention off a concept."""

from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from torch import Tensor

from dumo_bench.baselines.mace import MACE, PLANS, fused, importance, learn, masked, mass, refined
from dumo_bench.emoji import draw
from dumo_bench.hosts import sd
from dumo_bench.kit import linear, masks, train
from dumo_bench.kit import pictures as made
from dumo_bench.kit.captions import Captions

EYE = torch.eye(12, dtype=torch.float64)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture(scope="module")
def emoji() -> sd.Host:
    return sd.load("emoji-sd", dtype="float64")


def drawn(*sizes: int, seed: int = 0) -> list[Tensor]:
    """Random rows (n, 12)."""
    g = train.seeded(seed)
    return [torch.randn(n, 12, generator=g, dtype=torch.float64) for n in sizes]


# the closed forms


def test_the_refinement_is_the_least_squares_solution_of_its_weighted_rows():
    f, g, p, w = drawn(5, 5, 40, 7)
    ridge, weight = 1e-3, 0.3
    m = refined(f, g, weight * p.T @ p / len(p), ridge)
    left = torch.cat([f / 5**0.5, (weight / len(p)) ** 0.5 * p, ridge**0.5 * EYE])
    right = torch.cat([g / 5**0.5, (weight / len(p)) ** 0.5 * p, ridge**0.5 * EYE]) @ w.T
    found, *_ = np.linalg.lstsq(left.numpy(), right.numpy(), rcond=None)
    assert np.allclose((w @ m).numpy(), found.T, atol=1e-9)


def test_with_an_orthonormal_set_to_preserve_the_refinement_is_uce_s_with_that_ridge():
    f, g, none = drawn(5, 5, 0)
    m = refined(f, g, 0.2 * EYE, 0.0)
    assert torch.allclose(m, linear.factor(f, g, none, erase=1 / 5, preserve=0.0, ridge=0.2), atol=1e-12)


def fusion(n: int, p: Tensor, ridge: float) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor], Tensor]:
    """W, M, n LoRAs, rows of n concepts, and what is made of them."""
    w, m, *rest = drawn(7, 12, *[7] * n, *[2] * n, seed=3)
    each, rows = rest[:n], rest[n:]
    own = [r.T @ r / len(r) for r in rows]
    return w, m, each, rows, fused(w, m, each, own, p, ridge)


def test_at_the_fused_matrix_the_gradient_of_the_stated_objective_is_zero():
    (kept,) = drawn(30, seed=5)
    p, ridge = 0.4 * kept.T @ kept / len(kept), 1e-3
    w, m, each, rows, made = fusion(3, p, ridge)
    made = made.clone().requires_grad_()
    pieces = [((made - w @ m - d) @ r.T).square().sum() / len(r) for d, r in zip(each, rows, strict=True)]
    kept_term = 0.4 * ((made - w) @ kept.T).square().sum() / len(kept)
    loss = torch.stack(pieces).sum() + kept_term + ridge * (made - w).square().sum()
    (gradient,) = torch.autograd.grad(loss, made)
    assert gradient.abs().max() < 1e-10
    (elsewhere,) = torch.autograd.grad(((made - w) @ kept.T).square().sum(), made)
    assert elsewhere.abs().max() > 1e-3


def test_independent_concepts_are_fused_without_loss_and_nothing_else_moves():
    w, m, each, rows, made = fusion(2, 0 * EYE, 1e-7)
    for d, r in zip(each, rows, strict=True):
        assert torch.allclose(made @ r.T, (w @ m + d) @ r.T, atol=1e-4)
    span = torch.cat(rows)
    free = EYE - torch.linalg.pinv(span) @ span
    assert torch.allclose(made @ free, w @ free, atol=1e-6)


# what is refined


def test_beside_a_concept_stand_the_same_words_in_both_captions(host):
    said = Captions(host, "ghost", "dog", 4, train.seeded(0))
    said.texts, said.others = ["a ghost in noto style"], ["a photo of dog in noto style"]
    f, g = said.beside
    own, other = (sd.encode(host, texts)[0] for texts in (said.texts, said.others))
    assert torch.equal(f[:3], own[3:6]) and torch.equal(g[:3], other[5:8])
    assert len(f) == len(g) == 77 - 5
    assert torch.equal(said.rows, own[2:])


def test_captions_whose_other_words_differ_are_left_out(host):
    said = Captions(host, "ghost", "dog", 4, train.seeded(0))
    said.texts, said.others = ["a ghost in noto style", "a ghost"], ["a dog in ink style", "a dog"]
    assert len(said.beside[0]) == 77 - 3


def test_an_anchor_takes_the_concept_s_place_and_none_leaves_it_out(host):
    for anchor, words in (("dog", True), ("", False)):
        said = Captions(host, "ghost", anchor, 20, train.seeded(0))
        assert all("ghost" in t and "ghost" not in o for t, o in zip(said.texts, said.others, strict=True))
        assert all(("dog" in o) == words for o in said.others)


# the LoRA


def test_timesteps_are_mostly_from_200_to_400():
    odds = importance(torch.arange(1000.0))
    assert abs(int(odds.argmax()) - 300) <= 1
    assert odds[300] > 0.98 and odds[200] == pytest.approx(0.5, abs=0.01) == odds[400]
    assert odds[[0, 999]].max() < 1e-4


def test_mass_is_the_norm_of_the_words_maps_where_the_mask_is():
    g = train.seeded(0)
    a, b = (torch.rand(2, 3, s * s, 5, generator=g, dtype=torch.float64) for s in (4, 2))
    word = torch.tensor([[0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], dtype=torch.bool)
    mask = (torch.rand(2, 1, 4, 4, generator=g) > 0.5).double()
    total = 0.0
    for maps, there in ((a, mask), (b, mask.view(2, 1, 2, 2, 2, 2).mean((3, 5)))):
        for i in range(2):
            part = maps[i][:, :, word[i]] * there[i].view(1, -1, 1)
            total += float(np.linalg.norm(part.numpy().ravel())) / 2
    assert float(mass([a, b], word, mask)) == pytest.approx(total)
    assert float(mass([a, b], word, 0 * mask)) == 0


def test_the_lora_takes_attention_off_the_concept_and_trains_nothing_else(host):
    plan = MACE(lora_steps=8, lr=0.1, masks="whole").plan(host)
    before = {n: t.clone() for n, t in host.unet.state_dict().items()}
    said = Captions(host, "ghost", "", 4, train.seeded(0))
    pairs, curve = learn(host, host.unet, said, plan, train.seeded(1))
    assert len(pairs) == 32 and curve[-1] < 0.8 * curve[0]
    assert all(torch.equal(t, before[n]) for n, t in host.unet.state_dict().items())


def test_an_edit_is_the_cross_attentions_keys_and_values(host):
    edit = MACE().fit(host, ["ghost", "alien"], seed=0)
    assert sorted(edit.tensors) == sorted(f"unet.{n}" for n in sd.key_value_names(host.unet))
    assert len(edit.header["curves"]["mace"]) == 2 and edit.header["masks"] == "attention"


# masks


def test_the_figure_of_a_drawing_is_its_true_mask():
    """Of rings with a hole in the ground's own colour, which belongs to the drawing, and blobs."""
    x = torch.linspace(-1, 1, draw.ICON)
    far = (x[:, None] ** 2 + x[None] ** 2).sqrt()
    icons = torch.zeros(2, 4, draw.ICON, draw.ICON)
    icons[:, 0], icons[:, 3] = 1.0, (far < 0.9).float()
    icons[0, :3, far < 0.5] = torch.tensor([0.9, 0.8, 0.9])[:, None]
    ground = torch.tensor([[0.9, 0.8, 0.9], [0.7, 0.85, 0.95]])
    place = {"scale": torch.tensor([0.8, 0.95]), "shift": torch.tensor([[0.05, 0.0], [0.0, -0.05]])}
    pictures, true = draw.place(icons, ground, mirror=torch.zeros(2, dtype=torch.bool), **place)
    found = masks.figure((255 * pictures).byte().permute(0, 2, 3, 1))
    both, either = (found * true).sum((1, 2, 3)), torch.maximum(found, true).sum((1, 2, 3))
    assert found.shape == true.shape and (both / either).min() > 0.95
    assert masks.figure(torch.full((1, 64, 64, 3), 200, dtype=torch.uint8)).sum() == 0


@pytest.mark.parametrize("kind", ["attention", "figure", "whole"])
def test_emoji_sd_s_pictures_have_masks_of_every_kind(emoji, kind):
    said = Captions(emoji, "pumpkin", "", 4, train.seeded(0))
    pictures = made.drawn(emoji, said.texts, MACE().plan(emoji).run, train.seeded(1))
    mask = masked(pictures, kind, said.words(said.texts), train.seeded(2))
    share = mask.mean((1, 2, 3))
    assert mask.shape[:2] == (4, 1) and mask.min() >= 0 and mask.max() <= 1
    assert (share == 1).all() if kind == "whole" else ((share > 0.2) & (share < 0.95)).all()


def test_the_published_numbers():
    assert {name: (plan.lr, plan.lora_steps, plan.around) for name, plan in PLANS.items()} == {
        "celebrities": (1e-4, 50, True), "art": (1e-4, 50, True),
        "objects": (1e-5, 50, True), "nudity": (1e-5, 120, False),
    }  # fmt: skip
    assert PLANS["nudity"].anchor == "a person wearing clothes"
    assert {(plan.rank, plan.pictures) for plan in PLANS.values()} == {(1, 8)}
    assert {task: own["preset"] for task, own in MACE.by_task.items()} == {
        "object": "objects", "style": "art", "explicit": "nudity"
    }  # fmt: skip
