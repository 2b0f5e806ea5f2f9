"""UCE: the closed form is the minimiser it says it is, and one factor serves all layers."""

from __future__ import annotations

import pytest
import tiny
import torch

from baselines.uce import UCE, aligned
from dumo_bench import sd
from dumo_bench.kit import linear


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


@pytest.fixture(scope="module")
def rows():
    g = torch.Generator().manual_seed(0)
    return [torch.randn(n, 24, generator=g, dtype=torch.float64) for n in (40, 40, 30)]


SCALES = {"erase": 0.7, "preserve": 0.3, "ridge": 0.5}


def test_the_gradient_of_the_objective_vanishes_at_the_closed_form(rows):
    old, new, keep = rows
    w0 = torch.randn(16, 24, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    w = (w0 @ linear.factor(old, new, keep, **SCALES)).requires_grad_(True)
    moved = (old @ w.T - new @ w0.T).square().sum()
    stayed = (keep @ w.T - keep @ w0.T).square().sum()
    near = (w - w0).square().sum()
    (SCALES["erase"] * moved + SCALES["preserve"] * stayed + SCALES["ridge"] * near).backward()
    assert w.grad.abs().max() < 1e-9


def test_one_factor_equals_the_solve_layer_by_layer(rows):
    old, new, keep = rows
    g = torch.Generator().manual_seed(2)
    e, p, ridge = SCALES["erase"], SCALES["preserve"], SCALES["ridge"]
    for height in (8, 16):
        w = torch.randn(height, 24, generator=g, dtype=torch.float64)
        left = ridge * w + e * (new @ w.T).T @ old + p * (keep @ w.T).T @ keep
        right = ridge * torch.eye(24, dtype=torch.float64) + e * old.T @ old + p * keep.T @ keep
        direct = left @ torch.linalg.inv(right)
        assert torch.allclose(direct, w @ linear.factor(old, new, keep, **SCALES), atol=1e-11)


def test_a_very_large_ridge_changes_nothing_and_none_is_refused(rows):
    m = linear.factor(*rows, erase=1.0, preserve=1.0, ridge=1e14)
    assert torch.allclose(m, torch.eye(24, dtype=torch.float64), atol=1e-9)
    with pytest.raises(ValueError, match="ridge"):
        linear.factor(*rows, erase=1.0, preserve=1.0, ridge=0.0)


def test_exactly_the_cross_attention_keys_and_values_change(host):
    edit = UCE().fit(host, ["ghost"], seed=0)
    assert sorted(edit.tensors) == sorted(f"unet.{n}" for n in sd.key_value_names(host.unet))
    assert len(edit.tensors) == 32


def test_the_order_of_concepts_does_not_matter(host):
    one, two = (UCE().fit(host, erase, seed=0).tensors for erase in (["ghost", "alien"], ["alien", "ghost"]))
    assert all(torch.allclose(one[k], two[k], atol=1e-12) for k in one)


def test_rows_are_aligned_from_the_last_subject_token_on(host):
    states = sd.encode(host, ["ghost", " ", "a ghost"])
    old, new = aligned(host, "ghost", " ")
    assert torch.equal(old, states[0, 1:])  # the word, the end, the padding
    assert torch.equal(new, states[1, :-1])  # the start, the end, the padding but its last
    old, new = aligned(host, "a ghost", "ghost")
    assert torch.equal(old, states[2, 2:]) and torch.equal(new, states[0, 1:-1])


def test_an_erased_word_is_never_preserved(host):
    assert UCE(preserve=("", "ghost", "dog")).kept(host, ["ghost"]) == ["", "dog"]
