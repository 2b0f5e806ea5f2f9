"""The fit loop: float32 behind half precision, a mean of weights, and losses that are no number."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dumo_bench.errors import UserError
from dumo_bench.kit import train


def fitted(dtype: torch.dtype, **plan) -> torch.Tensor:
    """A weight of 1 with a slope of 1 everywhere, after Adam."""
    p = nn.Parameter(torch.ones(4, dtype=dtype))
    train.fit(lambda step, g: p.sum(), [p], train.Fit(**{"steps": 100, "lr": 1e-4, **plan}), train.seeded(0))
    return p.detach()


def test_small_steps_add_up_in_half_precision():
    """A step of 1e-4 from 1 is below what either type can hold; a hundred are not."""
    for dtype in (torch.bfloat16, torch.float16):
        one = torch.ones((), dtype=dtype)
        assert one - 1e-4 == one
        assert torch.equal(fitted(dtype), fitted(torch.float32).to(dtype))
    assert float(fitted(torch.bfloat16)[0]) == pytest.approx(0.99, abs=0.004)


def test_tiny_gradients_survive_float16():
    p = nn.Parameter(torch.ones(4, dtype=torch.float16))
    train.fit(lambda step, g: (p.float() * 1e-8).sum(), [p], train.Fit(1, 0.25), train.seeded(0))
    assert (p < 1).all()


def test_the_loop_is_torch_s_adam():
    p, q = (nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64)) for _ in range(2))
    curve = train.fit(lambda step, g: (p**4).sum(), [p], train.Fit(5, 0.1), train.seeded(0))
    optimiser, own = torch.optim.Adam([q], lr=0.1), []
    for _ in range(5):
        optimiser.zero_grad()
        value = (q**4).sum()
        value.backward()
        own.append(float(value.detach()))
        optimiser.step()
    assert torch.equal(p, q) and curve == own


def test_a_running_mean_is_what_its_recursion_gives():
    decay, mean, seen = 0.8, 1.0, []
    p = nn.Parameter(torch.ones(1, dtype=torch.float64))

    def loss(step, g):
        seen.append(float(p.detach()))
        return p.square().sum()

    train.fit(loss, [p], train.Fit(6, 0.05, ema=decay), train.seeded(0))
    q = nn.Parameter(torch.ones(1, dtype=torch.float64))
    train.fit(lambda step, g: q.square().sum(), [q], train.Fit(6, 0.05), train.seeded(0))
    for value in [*seen[1:], float(q.detach())]:
        mean = decay * mean + (1 - decay) * value
    assert float(p.detach()) == pytest.approx(mean, rel=1e-12)


def test_a_parameter_that_no_loss_reaches_stays_as_it_is():
    p, idle = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    train.fit(lambda step, g: p.sum(), [p, idle], train.Fit(3, 0.1), train.seeded(0))
    assert torch.equal(idle, torch.ones(2)) and not torch.equal(p, torch.ones(2))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_fit_with_advice(value):
    p = nn.Parameter(torch.ones(1))
    with pytest.raises(UserError, match=r"ESD-x ghost: the loss of step 2 is (nan|inf): try --set lr=0.05"):
        train.fit(
            lambda step, g: p.sum() * (value if step == 2 else 1.0),
            [p],
            train.Fit(5, 0.1, "ESD-x ghost"),
            train.seeded(0),
        )


@pytest.mark.parametrize(
    ("text", "concept", "left"),
    [
        ("a ghost in noto style", "ghost", "in noto style"),
        ("an alien", "alien", ""),
        ("a C++ book", "C++", "book"),
        ("ghosts", "ghost", "ghosts"),
    ],
)
def test_a_concept_is_taken_out_as_whole_words_whatever_signs_it_has(text, concept, left):
    assert train.without(text, [concept]) == left
    assert train.mentions(text, concept) == (left != text)


def test_prompts_of_a_concept_s_peers_are_said_of_it_with_its_article():
    texts = ["an owl in noto style", "fox, ink", "two owls", "an owl beside a fox", "a red fox terrier in oils"]
    found = train.renamed(texts, ["owl", "fox", "red fox"], "ghost")
    assert found == ["a ghost in noto style", "ghost, ink", "a ghost beside a fox", "a ghost terrier in oils"]
    assert train.renamed(["a fox by noto"], ["fox"], "alien") == ["an alien by noto"]
    assert train.renamed(["a fox by noto"], ["noto", "ink"], "ink") == ["a fox by ink"]
    assert train.renamed(texts, [], "ghost") == []


def test_every_object_of_a_world_is_asked_for_in_the_style_to_erase():
    words = {
        "objects": ["owl", "fox"],
        "styles": ["oil", "ink"],
        "prompts": ["an owl in oil style", "a fox", "a fox, ink"],
    }
    host = SimpleNamespace(world=words)
    assert train.prompts(host, ["ink"]) == (["a fox, ink", "an owl in ink style"], ["an owl in oil style", "a fox", ""])
    named, plain = train.prompts(host, ["fox"])
    assert named == ["a fox", "a fox, ink", "a fox in oil style"] and plain == ["an owl in oil style", ""]


def test_a_concept_that_no_world_knows_is_named_in_general_templates():
    for world in ({}, {"prompts": ["a cat"], "objects": ["cat"]}):
        named, plain = train.prompts(SimpleNamespace(world=world), ["Van Gogh"])
        assert len(named) == len(train.TEMPLATES) and all("Van Gogh" in text for text in named)
        assert "" in plain


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_a_copy_is_the_mean_at_every_step_and_what_the_fit_ends_with(dtype, ema):
    p, copy, free, mean = nn.Parameter(torch.ones(1, dtype=dtype)), nn.Parameter(torch.zeros(1, dtype=dtype)), [], []

    def loss(step, g):
        free.append(float(p.detach()))
        mean.append(float(copy.detach()))
        return p.square().sum()

    train.fit(loss, [p], train.Fit(4, 0.125, ema=ema), train.seeded(0), copy=[copy])
    wanted = [free[0]]
    for value in free[1:]:
        wanted.append(ema * wanted[-1] + (1 - ema) * value)
    assert mean == pytest.approx(wanted, rel=1e-9 if dtype == torch.float64 else 1e-2)
    assert torch.equal(p, copy)
