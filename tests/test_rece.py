"""RECE: solved in the text width it is what its formulas say layer by layer, and it starts from UCE."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dumo_bench.baselines.rece import EPOCH_RIDGE, RECE
from dumo_bench.baselines.uce import UCE
from dumo_bench.hosts import sd
from dumo_bench.kit import linear
from dumo_bench.types import Edit

HOST = tiny.host("float64")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return HOST


def near(one: Edit, two: Edit, atol: float = 1e-10) -> bool:
    return all(torch.allclose(t, two.tensors[k], atol=atol) for k, t in one.tensors.items())


def test_zero_epochs_are_uces_weights(host):
    erase = ["ghost", "alien"]
    one = RECE(epochs=0, preserve=("cat",)).fit(host, erase, seed=0)
    assert near(one, UCE(preserve=("cat",)).fit(host, erase, seed=0), atol=0)


def one_epoch(now: dict[str, Tensor], was: dict[str, Tensor], rows: tuple[Tensor, ...], regular: float) -> dict:
    """Both closed forms over the layers' own matrices, as the paper has them."""
    c, target, keep = rows
    eye = torch.eye(c.shape[1], dtype=torch.float64)
    a = sum((w.T @ w for w in now.values()), torch.zeros_like(eye))
    b = sum((w.T @ was[n] for n, w in now.items()), torch.zeros_like(eye))
    found = c @ (torch.linalg.inv(regular * eye + a) @ b).T
    right = torch.linalg.inv(0.1 * eye + found.T @ found + 0.1 * keep.T @ keep)
    return {n: (0.1 * w + w @ target.T @ found + 0.1 * w @ keep.T @ keep) @ right for n, w in now.items()}


@settings(deadline=None, max_examples=6)
@given(st.integers(1, 3), st.sampled_from([1.0, 0.1, 0.01]), st.sampled_from([["ghost"], ["ghost", "alien"]]))
def test_the_text_width_form_equals_the_paper_layer_by_layer(epochs, regular, erase):
    method = RECE(epochs=epochs, regular=regular, preserve=("cat",), start_ridge=0.5, ridge=0.1)
    edit = method.fit(HOST, erase, seed=0)
    was = linear.weights(HOST.unet)
    start = UCE(preserve=("cat",), ridge=0.5).fit(HOST, erase, seed=0)
    now = {n: start.tensors[f"unet.{n}"] for n in was}
    c, target = sd.encode(HOST, erase).flatten(0, 1), sd.encode(HOST, [" "])[0].repeat(len(erase), 1)
    keep = sd.encode(HOST, [""] * len(erase) + ["cat"]).flatten(0, 1)
    for _ in range(epochs):
        now = one_epoch(now, was, (c, target, keep), regular)
    assert all(torch.allclose(edit.tensors[f"unet.{n}"], w, atol=1e-10) for n, w in now.items())


def test_an_epoch_whose_derived_rows_are_the_concepts_own_is_a_uce_solve(host):
    """With nothing edited yet and a vanishing ridge the derived embedding is the concept."""
    method = RECE(regular=1e-12)
    terms = method.terms(host, ["ghost"])
    eye = torch.eye(32, dtype=torch.float64)
    assert torch.linalg.eigvalsh(terms.joint).min() > 1e-3  # the layers see every direction
    plain = linear.factor(terms.concept, terms.target, terms.keep, erase=1.0, preserve=0.1, ridge=0.1)
    assert torch.allclose(method.epoch(terms, eye, 0.1, 0.1), plain, atol=1e-8)
    pulled = RECE(regular=1e14, toward="own")
    assert torch.allclose(pulled.epoch(terms, eye, 0.1, 0.1), plain, atol=1e-8)


def test_a_very_large_lambda_leaves_nothing_to_erase(host):
    one = RECE(regular=1e16).fit(host, ["ghost"], seed=0)
    assert near(one, UCE().fit(host, ["ghost"], seed=0), atol=1e-8)


def test_an_epoch_takes_away_what_the_derived_rows_still_showed(host):
    """What the edited layers see in c', against what the original saw in c: near before, far after the epoch."""
    method = RECE(regular=1e-4, ridge=0.1, start_ridge=5.0)
    terms, m = method.terms(host, ["ghost"]), method.start(host, ["ghost"], 5.0, 0.1)
    found = linear.derived(terms.concept, terms.joint, m, 1e-4)
    after = m @ method.epoch(terms, m, 0.1, 0.1)
    word = 1  # the row of the word itself

    def off(now: Tensor, towards: Tensor) -> float:
        d = now @ found[word] - towards[word]
        return float(d @ terms.joint @ d)

    assert off(m, terms.concept) < off(m, terms.target)
    assert off(after, terms.target) < off(after, terms.concept)


def test_exactly_the_cross_attention_keys_and_values_change(host):
    edit = RECE(epochs=2).fit(host, ["ghost"], seed=0)
    assert sorted(edit.tensors) == sorted(f"unet.{n}" for n in sd.key_value_names(host.unet))
    assert len(edit.tensors) == 32


def test_concepts_are_erased_together_in_any_order(host):
    one, two = (RECE(epochs=2).fit(host, erase, seed=0) for erase in (["ghost", "alien"], ["alien", "ghost"]))
    assert near(one, two)


def test_nothing_to_erase_gives_the_original(host):
    edit = RECE(epochs=2).fit(host, [], seed=0)
    assert all(torch.allclose(edit.tensors[f"unet.{n}"], w, atol=1e-10) for n, w in linear.weights(host.unet).items())


@pytest.mark.parametrize("toward", ["target", "projected", "own", "both"])
def test_the_other_regularisers_give_other_edits(host, toward):
    one, two = (RECE(toward=t).fit(host, ["ghost"], seed=0) for t in ("zero", toward))
    assert not near(one, two, atol=1e-6)


def test_epochs_and_lambda_follow_the_task():
    explicit, style = (RECE(**RECE.by_task[task]) for task in ("explicit", "style"))
    assert (explicit.rounds(["a"]), explicit.rounds(["a", "b"]), explicit.regular) == (3, 2, 0.1)
    assert (style.rounds(["a"]), style.rounds(["a", "b"]), style.regular, style.target) == (1, 1, 1e-3, "art")
    assert RECE().rounds(["a", "b"]) == 1


def test_preserved_strings_weigh_in_the_start_and_in_the_epochs_what_the_model_s_plan_says(host):
    many = RECE(preserve=tuple(f"thing {i}" for i in range(40)))  # 1 / 41 is less than the least
    usual = many.fit(host, ["ghost"], seed=0)
    assert near(usual, replace(many, preserve_scale=0.1).fit(host, ["ghost"], seed=0))
    known = tiny.planned(host, "linear", least=0.03)
    small, epochs = (m.fit(known, ["ghost"], seed=0) for m in (many, replace(many, preserve_scale=0.1)))
    assert near(small, replace(many, preserve_scale=0.03).fit(known, ["ghost"], seed=0))
    assert not near(small, epochs, atol=1e-6) and not near(epochs, usual, atol=1e-6)


def test_the_epochs_ridge_is_a_fifth_of_the_starts_on_any_model(host):
    known = tiny.planned(host, "linear", ridge=10.0)
    assert RECE().fit(known, ["ghost"], seed=0).header["ridge_used"] == pytest.approx(2.0)
    assert RECE().fit(host, ["ghost"], seed=0).header["ridge_used"] == pytest.approx(EPOCH_RIDGE * 0.5)
    assert RECE(start_ridge=20.0).fit(host, ["ghost"], seed=0).header["ridge_used"] == pytest.approx(4.0)


def test_the_empty_text_is_preserved_once_a_concept_and_erased_strings_never(host):
    known = replace(host, world={"styles": ("noto", "ink")})
    terms = RECE(preserve=("", "@styles")).terms(known, ["ink", "ghost"])
    assert torch.allclose(terms.keep, sd.encode(host, ["", "", "noto"]).flatten(0, 1), atol=1e-12)
