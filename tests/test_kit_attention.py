"""Attention maps are those that the model used, and masks of them are 0 or 1."""

from __future__ import annotations

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.hosts import sd
from dumo_bench.kit import attention, train
from dumo_bench.kit.tokens import after, spliced, words


@pytest.fixture(scope="module")
def host():
    return tiny.host("float64")


def test_a_map_times_the_values_is_what_the_attention_said_and_the_pass_is_untouched(host):
    context = sd.encode(host, ["a ghost"])
    z = torch.randn(1, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    said: dict[str, torch.Tensor] = {}
    layers = {n: m for n, m in host.unet.named_modules() if n.endswith(".attn2")}
    hooks = [m.register_forward_hook(lambda m, a, out, n=n: said.__setitem__(n, out)) for n, m in layers.items()]
    with torch.no_grad():
        plain = host.unet(z, 500, encoder_hidden_states=context).sample
        with attention.watched(host.unet) as maps:
            assert torch.equal(host.unet(z, 500, encoder_hidden_states=context).sample, plain)
    for hook in hooks:
        hook.remove()
    assert maps.keys() == layers.keys() and len(maps) == 16
    for name, layer in layers.items():
        values = layer.to_v(context).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
        mixed = (maps[name] @ values).transpose(1, 2).flatten(2)
        assert torch.allclose(layer.to_out[0](mixed), said[name], atol=1e-10)


def test_nobody_watches_after_the_with(host):
    with attention.watched(host.unet) as maps:
        pass
    z = torch.zeros(1, 4, 8, 8, dtype=torch.float64)
    host.unet(z, 500, encoder_hidden_states=sd.encode(host, [""]))
    assert maps == {}


def test_the_maps_of_the_wanted_side_are_taken_or_the_nearest():
    sides = [torch.zeros(1, 1, s * s, 2) for s in (8, 4, 2, 4)]
    assert [m.shape[2] for m in attention.nearest(sides, 4)] == [16, 16]
    assert [m.shape[2] for m in attention.nearest(sides, 1)] == [4]
    assert [m.shape[2] for m in attention.nearest(sides, 32)] == [64]


WORDS = torch.tensor([[False, True, True]])


@given(st.lists(st.floats(0, 1), min_size=27, max_size=27), st.floats(0.01, 0.99))
def test_a_mask_is_zero_or_one_and_never_empty(values, threshold):
    made = attention.mask([torch.tensor(values).reshape(1, 1, 9, 3)], WORDS, threshold)
    assert made.shape == (1, 1, 3, 3)
    assert set(made.unique().tolist()) <= {0.0, 1.0} and made.sum() >= 1


def test_a_mask_is_where_the_words_are_seen_and_not_the_other_tokens():
    seen = torch.zeros(1, 2, 4, 3)
    seen[0, 0, 1, 1], seen[0, 1, 1, 2], seen[0, :, 2, 0] = 1.0, 1.0, 9.0
    assert attention.mask([seen], WORDS, 0.1).flatten().tolist() == [0, 1, 0, 0]


def test_the_threshold_is_of_the_range_between_the_least_and_the_most():
    seen = torch.tensor([2.0, 2.2, 2.1, 3.0]).reshape(1, 1, 4, 1)
    one = torch.ones(1, 1, dtype=torch.bool)
    assert attention.mask([seen], one, 0.15).flatten().tolist() == [0, 1, 0, 1]
    assert attention.mask([seen], one, 0.05).flatten().tolist() == [0, 1, 1, 1]


def test_a_map_without_contrast_masks_nothing_out_and_rows_do_not_depend_on_one_another():
    flat, live = torch.full((1, 1, 4, 3), 0.25), torch.rand(1, 1, 4, 3, generator=train.seeded(0))
    both = attention.mask([torch.cat([flat, live])], WORDS.expand(2, -1), 0.5)
    assert both[0].flatten().tolist() == [1, 1, 1, 1]
    assert torch.equal(both[1:], attention.mask([live], WORDS, 0.5))


def test_vectors_lie_after_the_prompt_s_words_and_nothing_else_moves():
    context, vectors = torch.zeros(2, 10, 3), torch.arange(1.0, 13.0).reshape(4, 3)
    made = spliced(context, torch.tensor([2, 8]), vectors)
    assert torch.equal(made[0, 2:6], vectors) and torch.equal(made[1, 8:], vectors[:2])
    assert not made[0, :2].any() and not made[0, 6:].any() and not made[1, :8].any()


def test_what_comes_after_a_text_stands_on_the_row_that_ends_its_attention(host):
    ids, attended = sd.tokens(host, ["", "ghost", "a photo of ghost", "ghost " * 100])
    assert after(host, ids).tolist() == (attended.sum(1) - 1).tolist() == [1, 2, 5, 76]


def test_vectors_alone_have_a_gradient_and_keep_their_precision():
    vectors = torch.ones(4, 3, requires_grad=True)
    made = spliced(torch.zeros(1, 10, 3, dtype=torch.bfloat16), torch.tensor([2]), vectors)
    made.sum().backward()
    assert made.dtype == torch.bfloat16 and vectors.grad.dtype == torch.float32 and bool((vectors.grad == 1).all())


def test_a_concept_s_tokens_are_found_wherever_they_stand(host):
    ids = sd.tokens(host, ["a photo of ghost", "ghost", "alien ghost", "a dog"])[0]
    concept = sd.tokens(host, ["ghost"])[0][0]
    found = [row.nonzero().flatten().tolist() for row in words(host, ids, concept)]
    assert found == [[4], [1], [2], [1, 2]]  # in a text without it, every word


def test_a_concept_of_two_words_is_found_as_a_whole(host):
    ids = sd.tokens(host, ["a dog cat", "cat dog cat"])[0]
    concept = sd.tokens(host, ["dog cat"])[0][0]
    assert [row.nonzero().flatten().tolist() for row in words(host, ids, concept)] == [[2, 3], [2, 3]]
