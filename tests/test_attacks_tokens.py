"""Attacks that see the erased model and search tokens: relaxations, gradients and costs, each against another way."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial

import pytest
import tiny
import torch
from torch.nn import functional as F

from dumo_bench.attacks.p4d import P4D, Original
from dumo_bench.hosts import sd
from dumo_bench.interfaces import Target
from dumo_bench.kit import places, seen, train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.pictures import drawn
from dumo_bench.plugins import loading
from dumo_bench.types import Edit, Sampling

TEXT = "a ghost in ink style"
CONTRACT = Sampling("tiny", "ddim", 4, 3.0, 64, 64)


@pytest.fixture
def host():
    return tiny.host()


def stock(host):
    return partial(sd.stock_guide, host)


def pictures(host, *texts):
    return drawn(host, texts, Trajectory(2, 2.0), train.seeded(0))


def test_rows_are_projected_to_the_nearest_shares_that_sum_to_one():
    x = torch.randn(200, 7, generator=train.seeded(0)) * 2
    found = places.projected(x)
    assert torch.allclose(found.sum(1), torch.ones(200), atol=1e-5) and (found >= 0).all()
    assert torch.allclose(places.projected(found), found, atol=1e-6), "what sums to one stays"
    assert torch.allclose(places.projected(x + 3.0), found, atol=1e-5)
    others = torch.distributions.Dirichlet(torch.ones(7)).sample((200, 50))
    assert ((x - found).norm(dim=1, keepdim=True) <= (x[:, None] - others).norm(dim=2) + 1e-6).all()
    assert places.projected(torch.tensor([[2.0, 0.0, 1.0]])).tolist() == [[1.0, 0.0, 0.0]]


def test_free_places_stand_before_a_text_or_before_each_third_of_its_tokens(host):
    own = places.words(host, TEXT)
    before = places.places(host, own, [0, 0])
    assert before.at.tolist() == [1, 2] and len(own) == 5
    mixed = P4D(variant="k").free(host, TEXT)
    assert mixed.at.tolist() == [1, 5] and mixed.free == len(own) // 3 + 1
    alone = P4D(tokens=4).free(host, TEXT)
    assert alone.at.tolist() == [1, 2, 3, 4]
    chosen = torch.tensor(places.words(host, "dog cat"))
    assert before.text(host, chosen) == f"dog cat {TEXT}"
    assert places.words(host, before.text(host, chosen)) == [*chosen.tolist(), *own]
    assert torch.equal(before.filled(chosen), sd.tokens(host, [f"dog cat {TEXT}"])[0])


def test_a_text_that_leaves_no_room_is_cut_and_no_place_is_lost(host):
    found = places.places(host, list(range(3, 103)), [0, 0, 0])
    assert len(found.ids) == 77 and found.free == 3
    assert found.ids[0] == host.tokenizer.bos_token_id and found.ids[-1] == host.tokenizer.eos_token_id


@pytest.mark.parametrize("relaxed", [places.Nearest, places.Simplex])
def test_a_drawn_text_is_read_as_any_other(host, relaxed):
    open_ = places.places(host, places.words(host, TEXT), [0, 0])
    chosen, vectors = relaxed(host, 2, train.seeded(1), 0.1, 0.0).draw(train.seeded(2))
    states = open_.read(host, chosen, vectors)
    assert torch.allclose(states, host.text_encoder(open_.filled(chosen)).last_hidden_state, atol=1e-6)


def test_the_gradient_at_a_free_place_is_that_of_its_token_s_row_in_the_table(host):
    open_ = places.places(host, places.words(host, "a cat"), [0])
    chosen = torch.tensor(places.words(host, "alien"))
    vectors = places.table(host)[chosen].requires_grad_(True)
    weights = torch.randn(1, 77, 32, generator=train.seeded(3))
    (mine,) = torch.autograd.grad((open_.read(host, chosen, vectors) * weights).sum(), [vectors])
    rows = host.text_encoder.get_input_embeddings().weight.requires_grad_(True)
    whole = (host.text_encoder(open_.filled(chosen)).last_hidden_state * weights).sum()
    (every,) = torch.autograd.grad(whole, [rows])
    rows.requires_grad_(False)
    assert torch.allclose(mine, every[chosen], atol=1e-5) and mine.abs().max() > 0


def test_nearest_takes_its_gradient_at_the_token_and_moves_the_free_vector(host):
    nearest = places.Nearest(host, 3, train.seeded(0), 0.1, 0.0)
    nearest.vectors.data.add_(0.01 * torch.randn(3, 32, generator=train.seeded(1)))
    ids, vectors = nearest.draw(train.seeded(0))
    table = places.table(host)
    assert torch.allclose(vectors, table[ids]), "the token's own vector goes in"
    cosine = F.cosine_similarity(nearest.vectors[:, None], table[None], dim=2)
    assert (cosine.gather(1, ids[:, None])[:, 0] >= cosine[:, nearest.ids].max(1).values - 1e-6).all()
    before = nearest.vectors.detach().clone()
    nearest.descend((vectors * 2.0).sum())
    assert torch.allclose(nearest.vectors.grad, torch.full((3, 32), 2.0)) and not nearest.vectors.equal(before)


def test_shares_are_drawn_by_their_size_and_their_gradient_is_cut(host):
    shares = places.Simplex(host, 1, train.seeded(0), 0.01, 0.0)
    n = len(shares.ids)
    shares.shares.data.zero_()
    shares.shares.data[0, :2] = torch.tensor([0.8, 0.2])
    drawn = [int(shares.draw(g)[0]) for g in [train.seeded(5)] for _ in range(400)]
    assert drawn.count(int(shares.ids[0])) / 400 == pytest.approx(0.8, abs=0.07) and set(drawn) == set(
        shares.ids[:2].tolist()
    )
    _, vectors = shares.draw(train.seeded(1))
    shares.descend((vectors * 1e4).sum())
    assert shares.shares.grad.abs().max() == 1 and shares.shares.shape == (1, n)
    assert float(shares.shares.detach().sum()) == pytest.approx(1, abs=1e-4)


def test_the_guidance_of_1_tells_what_the_network_tells_of_the_text_alone(host):
    z, t = torch.randn(2, 4, 8, 8, generator=train.seeded(0)), 300
    stocked = seen.Seen(host, stock(host))
    other = seen.Seen(host, lambda given: sd.stock_guide(host, given))  # asked as any method's guide is
    plain = host.estimate(z, torch.tensor(t), sd.encode(host, [TEXT]).expand(2, -1, -1))
    assert torch.equal(stocked.of(TEXT, z, t), plain) and torch.allclose(other.of(TEXT, z, t), plain, atol=1e-5)
    assert (stocked.forwards, other.forwards) == (2, 2)
    guided = seen.Seen(host, stock(host), guidance=3.0)
    free = host.estimate(z, torch.tensor(t), sd.encode(host, [""]).expand(2, -1, -1))
    assert torch.allclose(guided.of(TEXT, z, t), free + 3 * (plain - free), atol=1e-5) and guided.forwards == 4


def test_where_nothing_is_erased_the_prompt_itself_is_what_p4d_looks_for(host):
    own = pictures(host, TEXT, "a dog")
    original = Original(own, copy.deepcopy(host.unet), sd.encode(host, own.texts))
    asked = [original.asked(torch.tensor([0, 0]), t, train.seeded(t)) for t in (100, 700)]
    texts = seen.Candidates(seen.Seen(host, stock(host)), asked)
    assert texts.of(TEXT) == pytest.approx(0, abs=1e-12) and texts.of("a dog") > 0
    assert texts.best == TEXT and texts.seen.forwards == 8


@pytest.mark.parametrize(
    ("name", "steps", "aside"), [("unlearndiff", 2 * 2 * 2 * 3, 2 * 2), ("p4d", 4 * 2 * (3 + 1), 16 * 2)]
)
def test_what_a_search_costs_is_counted(host, name, steps, aside):
    """steps: rows of its steps, one with its gradient as three; aside: rows with which a text is tried."""
    edit = tiny.method("uce").fit(host, ("ghost",), seed=0)
    target = Target(host, ("ghost",), (TEXT, "a ghost"), CONTRACT, erased=lambda: tiny.method("uce").apply(host, edit))
    for one in tiny.attack(name).search(target, seed=0):
        of_original = 16 * 2 if name == "p4d" else 0
        tried, rest = divmod(one.forwards - steps - of_original, aside)
        assert rest == 0 and 2 <= tried <= 3 and one.texts > 0, "each text that was passed, and the prompt"
        assert set(one.measured) == {"missed", "missed_before"}


def test_tokens_that_were_searched_tell_the_noise_better_than_the_first_ones(host):
    attack = loading.make(
        "attacks", "p4d", {"tokens": 3, "steps": 40, "every": 1, "rows": 4, "lr": 1.0, "picture_steps": 2}
    )
    target = Target(
        host, ("ghost",), ("a ghost",), CONTRACT, erased=lambda: tiny.method("original").apply(host, Edit({}, {}))
    )
    (found,) = attack.search(target, seed=0)
    (first,) = replace(attack, steps=1).search(target, seed=0)
    assert found.measured["missed"] <= first.measured["missed"] and found.text != first.text
