"""SPEED: the closed form is the stated minimiser in the null space of what is preserved, layer by layer."""

from __future__ import annotations

import time

import pytest
import tiny
import torch
from torch import Tensor

from dumo_bench.baselines import speed
from dumo_bench.baselines.speed import SPEED
from dumo_bench.hosts import sd
from dumo_bench.kit import embeddings, linear
from dumo_bench.types import Edit

PLAIN = {"filtered": False, "augment": 0}


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


@pytest.fixture(scope="module")
def emoji() -> sd.Host:
    return sd.load("emoji-sd", dtype="float64")


def moved(host: sd.Host, edit: Edit, rows: Tensor) -> float:
    """How far the edit moves the outputs of rows (n, d), relative to these, in the layer where it does most."""
    every = [(rows @ (edit.tensors[f"unet.{n}"] - w).T).norm() / (rows @ w.T).norm() for n, w in values(host).items()]
    return float(torch.stack(every).max())


def values(host: sd.Host) -> dict[str, Tensor]:
    return dict(speed.values(host.unet))


def left(host: sd.Host, edit: Edit, text: str, anchor: str = "") -> float:
    """The share of the way from a text's outputs to its anchor's that the edit leaves, in the mean over layers."""
    t, a = embeddings.subject(host, [text]), embeddings.subject(host, [anchor])
    own = values(host)
    every = [(t @ edit.tensors[f"unet.{n}"].T - a @ w.T).norm() / ((t - a) @ w.T).norm() for n, w in own.items()]
    return float(torch.stack(every).mean())


def test_exactly_the_cross_attention_values_change(host):
    edit = SPEED().fit(host, ["ghost", "alien"], seed=0)
    assert sorted(edit.tensors) == sorted(
        f"unet.{n}" for n in sd.key_value_names(host.unet) if n.endswith("to_v.weight")
    )
    assert len(edit.tensors) == 16
    assert all(not torch.equal(edit.tensors[f"unet.{n}"], w) for n, w in values(host).items())


def test_outputs_of_preserved_rows_stay_to_rounding_where_the_threshold_is_tiny(emoji):
    kept = ["dog", "cat", "alien", "noto", "a pumpkin on a blue background"]
    edit = SPEED(preserve=tuple(kept), threshold=1e-9, rho=0.01, **PLAIN).fit(emoji, ["ghost"], seed=0)
    assert moved(emoji, edit, embeddings.subject(emoji, kept)) < 1e-10
    assert left(emoji, edit, "ghost") < 0.1
    assert set(edit.header["null_dimensions"].values()) == {128 - len(kept)}


def test_the_rows_that_are_fixed_stay_to_rounding_and_nearly_so_with_a_lambda(emoji):
    start = sd.encode(emoji, [""])[0, :1]
    exact, near = (SPEED(preserve=("@objects",), rho=0.05, lam=lam).fit(emoji, ["ghost"], seed=0) for lam in (0.0, 0.5))
    assert moved(emoji, exact, start) < 1e-9 < moved(emoji, near, start) < 0.05


def test_emoji_sd_preserves_its_objects_and_styles_and_the_concept_leaves_all_the_same(emoji):
    rest = [name for name in (*emoji.world["objects"], *emoji.world["styles"]) if name != "ghost"]
    edit = SPEED(**SPEED.by_task["object"]).fit(emoji, ["ghost"], seed=0)
    assert edit.header["preserved"] == len(rest)
    assert left(emoji, edit, "ghost") < 0.1
    assert moved(emoji, edit, embeddings.subject(emoji, rest)) < 0.3


def test_a_preserved_string_that_names_a_concept_is_left_out(host):
    edit = SPEED(preserve=("dog", "a photo of GHOST", "ghosts")).fit(host, ["ghost"], seed=0)
    assert edit.header["preserved"] == 2


def test_a_lower_threshold_moves_preserved_rows_less_and_less(emoji):
    rest, every = [name for name in emoji.world["objects"] if name != "ghost"], []
    for threshold in (1e-1, 1e-2, 1e-3, 1e-12):
        edit = SPEED(preserve=("@objects",), threshold=threshold, rho=0.05, **PLAIN).fit(emoji, ["ghost"], seed=0)
        every.append(moved(emoji, edit, embeddings.subject(emoji, rest)))
    assert every == sorted(every, reverse=True) and every[-1] < 1e-5


def test_without_preserved_or_fixed_rows_it_is_uce_with_the_ridge_rho_times_the_concepts(host):
    t, a = embeddings.subject(host, ["ghost", "alien"]), embeddings.subject(host, ["dog", "dog"])
    s_tt, s_at, eye = linear.gram(t, t) / 2, linear.gram(a, t) / 2, torch.eye(32, dtype=torch.float64)
    d = speed.solved(s_tt, s_at, eye, eye[:0], 0.3, 0.0)
    m = linear.factor(t, a, t[:0], erase=1.0, preserve=1.0, ridge=2 * 0.3)
    assert torch.allclose(eye + d, m, atol=1e-10)


def test_the_closed_form_is_the_minimiser_among_what_is_allowed():
    """|D T - (A - T)|^2 / n + rho |D|^2 over D = X P with D C = 0."""
    g = torch.Generator().manual_seed(0)
    t, a, rows, fixed = (torch.randn(n, 12, generator=g, dtype=torch.float64) for n in (3, 3, 4, 2))
    p = speed.null(rows, 1e-9)
    d = speed.solved(linear.gram(t, t) / 3, linear.gram(a, t) / 3, p, fixed, 0.2, 0.0)
    assert torch.allclose(d @ p, d, atol=1e-10) and (d @ fixed.T).abs().max() < 1e-10
    gradient = (d @ t.T - (a - t).T) @ t / 3 + 0.2 * d
    bound = torch.cat([rows, fixed])  # the directions in which D may not act
    free = torch.eye(12, dtype=torch.float64) - torch.linalg.pinv(bound) @ bound
    assert (gradient @ free).abs().max() < 1e-10 < gradient.abs().max()


def test_rows_are_kept_that_the_plain_edit_moves_more_than_the_mean():
    rows = torch.diag(torch.tensor([1.0, 2.0, 3.0, 10.0]))
    assert torch.equal(speed.above(rows, torch.eye(4)), rows[3:])
    assert torch.equal(speed.above(rows, torch.diag(torch.tensor([9.0, 0, 0, 0]))), rows[:1])


def test_copies_move_along_the_direction_that_the_layer_sees_least(host):
    w = next(iter(values(host).values()))
    v = torch.linalg.svd(w).Vh[-1]
    rows = embeddings.subject(host, ["dog", "cat"])
    off = speed.copies(rows, v, 3, torch.Generator().manual_seed(0)) - rows.repeat(3, 1)
    assert torch.allclose(off, (off @ v)[:, None] * v, atol=1e-12) and (off @ v).std() > 0.1


def test_the_seed_moves_the_copies_and_the_centres_alone(emoji):
    one, two = (SPEED(preserve=("@objects",)).fit(emoji, ["ghost"], seed=seed) for seed in (0, 1))
    assert any(not torch.equal(t, two.tensors[k]) for k, t in one.tensors.items())
    one, two = (SPEED(preserve=("@objects",), **PLAIN, lam=1e12).fit(emoji, ["ghost"], seed=s) for s in (0, 1))
    assert all(torch.allclose(t, two.tensors[k], atol=1e-9) for k, t in one.tensors.items())


def test_explicit_concepts_move_every_row_after_the_start_and_others_one(host):
    assert [len(speed.read(host, ["ghost", "alien"], rows)) for rows in ("subject", "all")] == [2, 152]
    assert SPEED(**SPEED.by_task["explicit"]).plan(host) == speed.PLANS["nudity"]


def test_a_hundred_concepts_at_once(emoji):
    erase, rest = emoji.world["objects"][:100], emoji.world["objects"][100:]
    begun = time.perf_counter()
    edit = SPEED(rho=0.01, **SPEED.by_task["object"]).fit(emoji, erase, seed=0)
    print(f"\nspeed: 100 concepts in {time.perf_counter() - begun:.1f} s")
    gone = sum(left(emoji, edit, name) for name in erase) / len(erase)
    assert gone < 0.3 and moved(emoji, edit, embeddings.subject(emoji, rest)) < 0.4
