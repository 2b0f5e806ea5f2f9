"""On-policy latents: a run of k steps makes k calls, and what is asked of it fits its noise."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest
import tiny
import torch

from dumo_bench.hosts import sample, sd
from dumo_bench.kit import latents, train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.lesson import retained

STEPS = 5  # bins of 200 timesteps


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def counting(host):
    """The stock guide and the timesteps that its denoiser was asked at."""
    asked: list[int] = []

    def guide(given):
        denoise = sd.stock_guide(host, given)

        def counted(z, t):
            asked.append(int(t))
            return denoise(z, t)

        return counted

    return guide, asked


@pytest.mark.parametrize("k", range(STEPS))
def test_till_k_makes_exactly_k_calls_and_stands_at_the_next_level(host, k):
    guide, asked = counting(host)
    z, level = latents.till(host, guide, ["a ghost"], Trajectory(STEPS), k, train.seeded(0))
    every = sample.scheduler(host, "ddim", STEPS).timesteps.tolist()
    assert asked == every[:k] and level == every[k]
    whole = latents.trajectory(
        host, partial(sd.stock_guide, host), ["a ghost"], [""], Trajectory(STEPS), train.seeded(0)
    )
    assert torch.equal(z, whole.z[k : k + 1]) and int(whole.t[k]) == level


def test_early_latents_of_a_harvest_have_prompts_of_their_own_and_late_ones_their_run_s(host):
    guide, said = partial(sd.stock_guide, host), []

    def say(n):
        said.append([f"a {word}" for word in ("ghost", "dog", "cat", "bear", "fox", "owl")[:n]][::-1])
        return said[-1], [""] * n

    rows = latents.harvest(host, guide, say, 2, Trajectory(STEPS), train.seeded(0))
    whole = latents.trajectory(host, guide, said[0], ["", ""], Trajectory(STEPS), train.seeded(0))
    early = rows.t >= host.kind.early
    assert torch.equal(rows.z, whole.z) and torch.equal(rows.t, whole.t)
    assert torch.equal(rows.context[~early], whole.context[~early]) and not early.all()
    assert torch.equal(rows.context[early], sd.encode(host, said[1])) and len(said[1]) == int(early.sum()) > 0
    assert torch.equal(rows.ids[early], sd.tokens(host, said[1])[0])
    assert torch.equal(rows.ids[~early], whole.ids[~early])


@pytest.mark.parametrize("seed", range(12))
def test_a_stopped_run_s_timestep_lies_in_the_bin_that_its_latents_stand_in(host, seed):
    guide, asked = counting(host)
    rows = latents.stopped(host, guide, ["a ghost", "a dog"], ["", ""], Trajectory(STEPS), train.seeded(seed))
    level = sample.scheduler(host, "ddim", STEPS).timesteps.tolist()[len(asked)]
    width = 1000 // STEPS
    assert {t // width for t in rows.t.tolist()} == {level // width}
    assert len(set(rows.t.tolist())) == 1


def test_stopped_runs_reach_every_bin_and_more_than_one_timestep_of_it(host):
    made = [
        latents.stopped(host, partial(sd.stock_guide, host), ["a dog"], [""], Trajectory(3), train.seeded(seed))
        for seed in range(24)
    ]
    bins = [int(rows.t[0]) // 333 for rows in made]
    assert set(bins) == {0, 1, 2}
    assert len({int(rows.t[0]) for rows in made}) > 12


@pytest.mark.parametrize("sampler", ["ddim", "pndm"])
def test_the_level_itself_is_asked_where_the_plan_says_so(host, sampler):
    guide, asked = counting(host)
    plan = Trajectory(STEPS, sampler=sampler, align="level")
    rows = latents.stopped(host, guide, ["a ghost"], [""], plan, train.seeded(1))
    assert int(rows.t[0]) == sample.scheduler(host, sampler, STEPS).timesteps.tolist()[len(asked)]


def test_compvis_asks_about_two_bins_above_the_noise_there_is(host):
    """The published loop of 50 steps: z stands at 20 (k - 2) + 1 where t is of [20 k, 20 (k + 1))."""
    for seed in range(3):
        guide, asked = counting(host)
        plan = Trajectory(50, align="compvis")
        rows = latents.stopped(host, guide, ["a ghost"], [""], plan, train.seeded(seed))
        k = int(rows.t[0]) // 20
        assert asked[0] == 961
        assert len(asked) == min(50 - k, 49)
        assert asked[-1] - 20 == max(20 * (k - 2) + 1, -19)


def test_a_run_is_lazy_and_ends_clean(host):
    guide, asked = counting(host)
    run = latents.levels(host, guide, ["a ghost"], Trajectory(3), train.seeded(0))
    assert asked == []
    times = [int(t) for _, t in run]
    assert times == [*sample.scheduler(host, "ddim", 3).timesteps.tolist(), 0]
    assert all(a > b for a, b in pairwise(times))


@pytest.mark.parametrize("guidance", [1.0, 3.0, 7.5])
def test_a_run_is_a_picture_s_with_the_guidance_of_its_plan(host, guidance):
    plan, guide = Trajectory(4, guidance), partial(sd.stock_guide, host)
    *_, (made, _) = latents.levels(host, guide, ["a ghost"], plan, train.seeded(7))
    assert torch.allclose(made, sample.clean(host, guide, [tiny.job("a ghost", 7, guidance=guidance)]), atol=1e-12)


@pytest.mark.parametrize("align", ["bin", "level", "compvis"])
def test_whole_runs_are_the_same_however_a_stopped_one_is_asked(host, align):
    guide = partial(sd.stock_guide, host)
    plain, other = (
        latents.trajectory(host, guide, ["a dog"], [""], Trajectory(3, align=a), train.seeded(0))
        for a in ("bin", align)
    )
    assert torch.equal(plain.z, other.z) and torch.equal(plain.t, other.t)


def test_larger_latents_can_be_sampled(host):
    rows = latents.stopped(host, partial(sd.stock_guide, host), ["a dog"], [""], Trajectory(2, side=2), train.seeded(0))
    assert rows.z.shape == (1, 4, 16, 16)


def test_what_must_stay_never_names_the_concept_and_holds_the_empty_prompt(host):
    kept = retained(host, ["dog"], 30, Trajectory(2), train.seeded(0))
    assert len(kept) == 30 * 2
    assert torch.equal(kept.context, kept.anchor)
    empty = sd.encode(host, [""])[0]
    assert sum(torch.allclose(row, empty, atol=1e-12) for row in kept.context) >= 5 * 2  # encoded in another batch
    possible = sd.encode(host, [p for p in (*train.PLAIN, "") if "dog" not in p])
    assert all(any(torch.allclose(row, one) for one in possible) for row in kept.context)


def test_no_latents_carry_a_gradient(host):
    rows = latents.stopped(host, partial(sd.stock_guide, host), ["a dog"], [""], Trajectory(2), train.seeded(0))
    assert not (rows.z.requires_grad or rows.context.requires_grad)
