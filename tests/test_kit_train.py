"""The fit loop: float32 behind half precision, a mean of weights, and losses that are no number."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dumo_bench.kit import train
from dumo_bench.types import UserError


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
