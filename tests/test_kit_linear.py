"""The closed forms are the minimisers they say they are, and one factor serves all layers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dumo_bench.hosts import sd
from dumo_bench.kit import embeddings, linear

WIDTH = 12


@dataclass(frozen=True)
class System:
    """Rows, scales and layers of different heights."""

    old: Tensor
    new: Tensor
    keep: Tensor
    layers: list[Tensor]
    scales: dict[str, float]

    def factor(self, **other: float) -> Tensor:
        return linear.factor(self.old, self.new, self.keep, **{**self.scales, **other})


@st.composite
def systems(draw) -> System:
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    sizes = draw(st.tuples(st.integers(0, 40), st.integers(0, 30)))
    heights = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    old, new, keep = (torch.randn(n, WIDTH, generator=g, dtype=torch.float64) for n in (sizes[0], sizes[0], sizes[1]))
    layers = [torch.randn(h, WIDTH, generator=g, dtype=torch.float64) for h in heights]
    scale = st.floats(0.05, 2.0)
    return System(old, new, keep, layers, {k: draw(scale) for k in ("erase", "preserve", "ridge")})


def eye(n: int = WIDTH) -> Tensor:
    return torch.eye(n, dtype=torch.float64)


@settings(deadline=None, max_examples=30)
@given(systems())
def test_the_gradient_of_the_objective_vanishes_at_the_closed_form(s):
    for w0 in s.layers:
        w = (w0 @ s.factor()).requires_grad_(True)
        moved = (s.old @ w.T - s.new @ w0.T).square().sum()
        stayed = (s.keep @ w.T - s.keep @ w0.T).square().sum()
        near = (w - w0).square().sum()
        (s.scales["erase"] * moved + s.scales["preserve"] * stayed + s.scales["ridge"] * near).backward()
        assert w.grad.abs().max() < 1e-9


def direct(s: System, w: Tensor) -> Tensor:
    """One layer's solution as it is usually coded."""
    e, p, ridge = (s.scales[k] for k in ("erase", "preserve", "ridge"))
    left = ridge * w + e * (s.new @ w.T).T @ s.old + p * (s.keep @ w.T).T @ s.keep
    return left @ torch.linalg.inv(ridge * eye() + e * s.old.T @ s.old + p * s.keep.T @ s.keep)


@settings(deadline=None, max_examples=30)
@given(systems())
def test_one_factor_equals_the_solve_layer_by_layer(s):
    for w in s.layers:
        assert torch.allclose(direct(s, w), w @ s.factor(), atol=1e-10)


@settings(deadline=None, max_examples=20)
@given(systems())
def test_nothing_to_move_and_a_very_large_ridge_change_nothing(s):
    nothing = s.old[:0]
    idle = linear.factor(nothing, nothing, s.keep, **s.scales)
    assert torch.allclose(idle, eye(), atol=1e-11)
    assert torch.allclose(s.factor(ridge=1e14), eye(), atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(systems(), st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(s, random):
    order = random.sample(range(len(s.old)), len(s.old))
    turned = linear.factor(s.old[order], s.new[order], s.keep, **s.scales)
    assert torch.allclose(turned, s.factor(), atol=1e-10)


def test_a_system_without_ridge_is_refused():
    none = torch.empty(0, WIDTH, dtype=torch.float64)
    with pytest.raises(ValueError, match="ridge must be above 0"):
        linear.factor(none, none, none, erase=1.0, preserve=1.0, ridge=0.0)


def gram(layers: list[Tensor]) -> Tensor:
    return torch.stack([w.T @ w for w in layers]).sum(0)


@settings(deadline=None, max_examples=30)
@given(systems(), st.floats(1e-3, 10), st.sampled_from(["zero", "own", "target"]), st.sampled_from([0.0, 0.1, 3.0]))
def test_the_gradient_vanishes_at_the_derived_rows(s, ridge, toward, surrogate):
    anchor = {"zero": None, "own": s.keep, "target": s.keep.flip(0)}[toward]
    m = s.factor()
    found = linear.derived(s.keep, gram(s.layers), m, ridge, anchor, surrogate).requires_grad_(True)
    seen = sum((found @ (w @ m).T - s.keep @ w.T).square().sum() for w in s.layers)
    pull = (found - (0 if anchor is None else anchor)).square().sum()
    held = sum(((found - s.keep) @ (w @ m).T).square().sum() for w in s.layers)
    (seen + ridge * pull + surrogate * held).backward()
    assert len(found) == 0 or found.grad.abs().max() < 1e-9


@settings(deadline=None, max_examples=20)
@given(systems())
def test_derived_rows_are_the_rows_where_nothing_was_edited_and_vanish_under_a_large_ridge(s):
    a = gram(s.layers)
    same = linear.derived(s.keep, a, eye(), 1e-9)
    seen = torch.linalg.pinv(torch.cat(s.layers)) @ torch.cat(s.layers)  # onto what the layers see at all
    assert torch.allclose(same, s.keep @ seen, atol=1e-4)
    assert torch.allclose(linear.derived(s.keep, a, s.factor(), 1e14), torch.zeros_like(s.keep), atol=1e-9)


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def test_joint_is_the_gram_matrix_of_all_keys_and_values(host):
    own = dict(host.unet.named_parameters())
    stacked = torch.cat([own[n] for n in sd.key_value_names(host.unet)])
    assert torch.allclose(linear.joint(host.unet), stacked.T @ stacked, atol=1e-10)


def test_times_goes_as_far_as_it_is_told_and_keeps_the_dtype(host):
    half = tiny.host("bfloat16").unet
    assert {t.dtype for t in linear.times(half, eye(32)).values()} == {torch.bfloat16}
    m = eye(32) + torch.diag(torch.arange(32.0, dtype=torch.float64))
    none, full, some = (linear.times(host.unet, m, k) for k in (0.0, 1.0, 0.25))
    for name, w in linear.weights(host.unet).items():
        key = f"unet.{name}"
        assert torch.equal(none[key], w) and torch.allclose(full[key], w @ m)
        assert torch.allclose(some[key], w + 0.25 * (full[key] - w))


def test_rows_are_aligned_from_the_last_subject_token_on(host):
    states = sd.encode(host, ["ghost", " ", "a ghost"])
    old, new = embeddings.aligned(host, [("ghost", " ")])
    close = partial(torch.allclose, rtol=0, atol=1e-12)  # encoded in batches of another size
    assert close(old, states[0, 1:])  # the word, the end, the padding
    assert close(new, states[1, :-1])  # the start, the end, the padding but its last
    old, new = embeddings.aligned(host, [("a ghost", "ghost"), ("ghost", " ")])
    assert close(old[:75], states[2, 2:]) and close(new[:75], states[0, 1:-1])
    assert close(old[75:], states[0, 1:])


def test_the_subject_row_is_the_last_before_the_end_and_of_an_empty_text_the_start(host):
    texts = ["a ghost", "ghost", "", " "]
    states = sd.encode(host, texts)
    expected = [states[0, 2], states[1, 1], states[2, 0], states[2, 0]]
    assert torch.allclose(embeddings.subject(host, texts), torch.stack(expected), rtol=0, atol=1e-12)
    assert torch.allclose(states[2], states[3], atol=1e-12)
    assert torch.allclose(states[2, 0], states[0, 0], atol=1e-12)  # the start's row is every text's


def test_whole_rows_do_not_depend_on_how_many_are_encoded_at_once(host, monkeypatch):
    texts = ["a ghost", "", "dog", "cat", "alien"]
    every = embeddings.whole(host, texts)
    monkeypatch.setattr(embeddings, "CHUNK", 2)
    assert every.shape == (5 * 77, 32) and torch.allclose(every, embeddings.whole(host, texts), atol=1e-12)


def test_no_texts_are_no_rows(host):
    for found in (embeddings.whole(host, []), embeddings.subject(host, []), *embeddings.aligned(host, [])):
        assert found.shape == (0, 32)


def test_strings_are_kept_once_without_the_erased_and_lists_by_their_name(host):
    from dataclasses import replace

    known = replace(host, world={"styles": ("noto", "ink")})
    assert embeddings.strings(known, ["", "@styles", "dog", ""], ["ink", "dog"]) == ["", "noto"]
    assert embeddings.strings(host, ["", "@styles"], []) == [""]


def test_a_text_is_read_once_and_as_it_always_is(host):
    read: list[int] = []
    counting = host.text_encoder.register_forward_pre_hook(lambda module, args: read.append(len(args[0])))
    known = embeddings.once(host)
    try:
        first = sd.encode(known, ["ghost", "a dog", "ghost"])
        again = sd.encode(known, ["a dog", "", " "])  # the tokenizer reads the last two alike
    finally:
        counting.remove()
    assert read == [2, 1]
    plain = sd.encode(host, ["ghost", "a dog", "ghost", "a dog", "", " "])
    assert torch.allclose(torch.cat([first, again]), plain, atol=1e-12)
