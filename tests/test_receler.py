"""Receler: its adapters, mask, attack and regulariser as arXiv 2311.17717 and its published code have them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch

from dumo_bench.baselines import receler
from dumo_bench.baselines.receler import PLAN, Receler, Step, outside
from dumo_bench.errors import UserError
from dumo_bench.hosts import sd
from dumo_bench.kit import adapter, train
from dumo_bench.types import Edit


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.quick_host()


@pytest.fixture
def erasers(host) -> dict[str, adapter.Adapter]:
    return adapter.fresh(host.unet, 4, train.seeded(1))


def outer(host, erasers, **settings) -> Step:
    return Step(host, Receler(**settings), ["ghost"], erasers, train.seeded(2))


def lively(edit: Edit, seed: int) -> Edit:
    """The edit with adapters that say something."""
    g = torch.Generator().manual_seed(seed)
    return Edit({k: t + 0.2 * torch.randn(t.shape, generator=g).to(t) for k, t in edit.tensors.items()}, edit.header)


def estimate(host, edit: Edit, text: str = "a ghost") -> torch.Tensor:
    z = torch.randn(1, 4, 8, 8, generator=train.seeded(0), dtype=torch.float64)
    with torch.no_grad(), Receler().apply(host, edit) as guide:
        return guide(sd.conditions(host, [text], [3.0]))(z, torch.tensor(500))


def test_without_inner_steps_training_is_refused():
    with pytest.raises(UserError, match=r"inner takes a number in \[1, inf\), got 0"):
        tiny.method("receler", inner=0)


@pytest.mark.parametrize("inner", [1, 3])
def test_an_outer_step_attacks_inner_times_and_the_eraser_learns_once(host, monkeypatch, inner):
    made: list[torch.nn.Parameter] = []
    fresh = adapter.fresh

    def remembered(*how):
        found = fresh(*how)
        made.extend(adapter.parameters(found))
        return found

    steps: dict[bool, int] = {True: 0, False: 0}  # of the erasers, of the vectors
    step = torch.optim.Adam.step

    def counted(self, *how):
        steps[self.param_groups[0]["params"][0] is made[0]] += 1
        return step(self, *how)

    monkeypatch.setattr(receler.adapter, "fresh", remembered)
    monkeypatch.setattr(torch.optim.Adam, "step", counted)
    edit = Receler(inner=inner, steps=2).fit(host, ["ghost"], seed=0)
    assert steps == {True: 2, False: 2 * inner}
    assert len(edit.header["curves"][0]["attack"]) == 2


def test_the_vectors_are_kept_from_one_outer_step_to_the_next(host, erasers):
    loss, g = outer(host, erasers), train.seeded(3)
    own = loss.attacks["ghost"].vectors
    first = own.detach().clone()
    assert first.shape == (16, 32) and first.min() >= 0 and first.max() <= 1
    loss(0, g)
    second = own.detach().clone()
    loss(1, g)
    assert own is loss.attacks["ghost"].vectors
    assert not torch.equal(first, second) and not torch.equal(second, own)
    assert (own - second).abs().max() < 0.5  # four steps of 0.1 at the most


def test_several_concepts_take_turns_each_with_vectors_of_its_own(host, erasers):
    loss, g = Step(host, Receler(), ["ghost", "alien"], erasers, train.seeded(2)), train.seeded(3)
    before = {c: a.vectors.detach().clone() for c, a in loss.attacks.items()}
    assert not torch.equal(before["ghost"], before["alien"])
    loss(0, g)
    moved = {c: not torch.equal(before[c], a.vectors) for c, a in loss.attacks.items()}
    assert moved == {"ghost": True, "alien": False}
    loss(1, g)
    assert not torch.equal(before["alien"], loss.attacks["alien"].vectors)


def test_four_concepts_have_one_set_of_adapters_and_three_have_three(host):
    words = ["ghost", "alien", "dog", "cat"]
    assert Receler().parts(host, words) == [tuple(words)]
    assert Receler().parts(host, words[:3]) == [(c,) for c in words[:3]]
    together = Receler().fit(host, words, seed=0)
    assert (together.header["sets"], len(together.tensors)) == (1, 64)


def test_the_attack_brings_the_concept_nearer_on_the_same_latents(host, erasers):
    for p in adapter.parameters(erasers):
        p.data.add_(0.1 * torch.randn(p.shape, generator=train.seeded(4), dtype=p.dtype))
    loss = outer(host, erasers, inner=12)
    rows = loss.rows(0, train.seeded(5))[0]
    there = loss.frozen(rows, "ghost")[0]
    loss.attacked(rows, there, loss.attacks["ghost"])
    ((before, after),) = loss.attacks["ghost"].curve
    assert after < before


def test_only_attacked_rows_have_vectors_and_the_others_are_learnt_from_in_the_last_pass_alone(host, erasers):
    loss, asked = outer(host, erasers, inner=3), []
    rows = loss.rows(0, train.seeded(5))[0].draw(4, train.seeded(6))
    hook = host.unet.register_forward_pre_hook(
        lambda module, args, kwargs: asked.append(kwargs["encoder_hidden_states"].detach()), with_kwargs=True
    )
    made, outputs = loss.attacked(rows, rows.z, loss.attacks["ghost"])
    hook.remove()
    assert [len(context) for context in asked] == [2, 2, 4]
    assert len(made) == 4 and {len(said) for said in outputs.values()} == {4}
    assert torch.equal(asked[-1][2:], rows.context[2:])
    assert not torch.equal(asked[-1][:2], rows.context[:2]) and not torch.equal(asked[0], asked[1])


def test_rows_are_harvested_anew_every_few_turns_and_each_concept_has_its_own(host, erasers):
    loss, g = Step(host, Receler(), ["ghost", "alien"], erasers, train.seeded(2)), train.seeded(3)
    sizes = []
    for step in range(6):  # three turns each; the plan harvests every second
        loss(step, g)
        sizes.append([0 if one.pool.all is None else len(one.pool.all) for one in loss.lesson.sources])
    assert sizes == [[6, 0], [6, 6], [6, 6], [6, 6], [12, 6], [12, 12]]  # two captions, three levels
    for concept, source in zip(("ghost", "alien"), loss.lesson.sources, strict=True):
        assert bool((source.pool.all.ids == sd.tokens(host, [concept])[0][0][1]).any(1).all())


def test_the_paper_s_plan_samples_the_concept_s_name_until_one_level_for_every_step(host, erasers):
    loss = outer(replace(host, plans={"receler": {"run": {"steps": 4}}}), erasers)
    made = [loss.rows(turn, train.seeded(turn))[0] for turn in range(3)]
    assert all(torch.equal(rows.ids, sd.tokens(host, ["ghost"])[0]) for rows in made)
    assert all(torch.equal(rows.anchor, sd.encode(host, [""])) for rows in made)
    assert loss.lesson.retained is None and loss.lesson.sources[0].pool.all is None


def test_the_attack_has_gradients_for_the_vectors_alone(host, erasers):
    loss = outer(host, erasers)
    loss(0, train.seeded(0))
    assert all(p.grad is None for p in adapter.parameters(erasers))
    assert all(p.grad is None for p in host.unet.parameters())


def test_at_the_start_only_up_can_learn(host, erasers):
    value = outer(host, erasers)(0, train.seeded(0))
    learning = {f"{n}.{k}": p for n, a in erasers.items() for k, p in a.named_parameters()}
    found = torch.autograd.grad(value, list(learning.values()), allow_unused=True)
    for name, g in zip(learning, found, strict=True):
        assert (g is not None and bool(g.abs().max() > 0)) == (".up." in name), name


def test_the_mask_is_zero_or_one_and_made_of_the_maps_of_its_plan_s_size(host, erasers):
    loss = outer(host, erasers)
    where = loss.frozen(loss.rows(0, train.seeded(1))[0], "ghost")[2]
    assert where.shape == (2, 1, 4, 4)  # latents of 8, cells 2
    assert set(where.unique().tolist()) <= {0.0, 1.0}
    assert 0 < where.mean() < 1


def test_nothing_said_and_nothing_outside_cost_nothing():
    said = {"a": torch.zeros(1, 16, 3), "b": torch.zeros(1, 64, 5)}
    half = torch.tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]
    assert float(outside(said, half)) == 0
    assert float(outside({"a": torch.ones(1, 16, 3)}, torch.ones(1, 1, 4, 4))) == 0


def test_only_what_is_said_outside_the_mask_counts_as_its_mean_over_pixels_and_layers():
    half = torch.tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]  # the right half is outside
    fine = torch.zeros(4, 4, 3)
    fine[:, :2], fine[:, 2:] = 7.0, 2.0
    coarse = torch.tensor([[5.0], [3.0], [5.0], [3.0]])
    said = {"fine": fine.reshape(1, 16, 3), "coarse": coarse[None]}
    assert float(outside(said, half)) == pytest.approx((4 + 9) / 2)


def test_two_concepts_add_up_in_either_order(host):
    one, two = (lively(Receler().fit(host, [c], seed=0), i) for i, c in enumerate(("ghost", "alien")))
    method = Receler()
    forward, backward = (estimate(host, method.join(pair)) for pair in ([one, two], [two, one]))
    assert torch.allclose(forward, backward, atol=1e-12)
    assert (forward - estimate(host, one)).abs().max() > 1e-6
    assert method.parts(host, ["ghost", "alien"]) == [("ghost",), ("alien",)]


def test_joined_edits_are_what_a_fit_of_both_is(host):
    together = Receler().fit(host, ["ghost", "alien"], seed=4)
    alone = [Receler().fit(host, [c], seed=4) for c in ("ghost", "alien")]
    joined = Receler().join(alone)
    assert together.header == joined.header
    assert all(torch.equal(t, joined.tensors[k]) for k, t in together.tensors.items())


def test_both_halves_of_the_guidance_go_through_the_adapters(host):
    edit = lively(Receler().fit(host, ["ghost"], seed=0), 0)
    plain = replace(edit, tensors={k: torch.zeros_like(t) for k, t in edit.tensors.items()})
    assert (estimate(host, edit, "") - estimate(host, plain, "")).abs().max() > 1e-3


def test_an_edit_holds_sixteen_adapters_of_four_tensors(host):
    edit = Receler().fit(host, ["ghost"], seed=0)
    assert len(edit.tensors) == 64
    assert "adapter.0.mid_block.attentions.0.up.weight" in edit.tensors


def test_the_published_numbers():
    plan = PLAN
    assert (plan.steps, plan.inner, plan.lr, plan.rank, plan.retain, plan.rows) == (500, 50, 3e-4, 128, 0.0, 1)
    assert (plan.harvest, plan.plain) == (0, 0.0)  # sampled anew every step, all rows attacked
    assert (Receler().gamma, Receler().reg, Receler().threshold, receler.VECTORS) == (1.0, 0.1, 0.1, 16)


def test_half_precision_hosts_have_half_precision_adapters():
    made = Receler().fit(tiny.quick_host("bfloat16"), ["ghost"], seed=0).tensors
    assert {t.dtype for t in made.values()} == {torch.bfloat16}
    assert all(torch.isfinite(t).all() for t in made.values())


def test_a_plan_says_how_many_concepts_have_adapters_of_their_own(host):
    host = tiny.planned(host, "receler", separate=1, shared={"steps": 3})
    assert Receler().parts(host, ["ghost", "alien"]) == [("ghost", "alien")]
    assert [Receler().plan(host, n).steps for n in (1, 2)] == [2, 3]
    assert [Receler(steps=5).plan(host, n).steps for n in (1, 2)] == [5, 5]
    together = Receler().fit(host, ["ghost", "alien"], seed=0)
    assert (together.header["sets"], len(together.header["curves"][0]["eraser"])) == (1, 3)


def test_the_sum_serves_up_to_three_concepts_where_nothing_else_is_known():
    assert PLAN.separate == 3
