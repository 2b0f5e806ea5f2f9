"""Rows to learn from: in turn, together or apart, bare names or harvested captions, and what is retained."""

from __future__ import annotations

from functools import partial

import pytest
import tiny
import torch

from dumo_bench.hosts import sd
from dumo_bench.kit import train
from dumo_bench.kit.latents import Trajectory
from dumo_bench.kit.lesson import Lesson, Plan, unchanged

WORDS = ("ghost", "alien")


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def planned(**own) -> Plan:
    return Plan(**{"steps": 1, "lr": 1.0, "run": Trajectory(2), "rows": 4, "harvest": 4, "refresh": 2, **own})


def names(host, rows) -> list[str]:
    """Which of the concepts the text of each row names."""
    tokens = {word: sd.tokens(host, [word])[0][0, 1] for word in WORDS}
    return ["+".join(word for word, token in tokens.items() if token in ids) for ids in rows.ids]


def drawn(host, lesson, steps: int = 4):
    g = train.seeded(1)
    return [lesson.rows(step, partial(sd.stock_guide, host), g) for step in range(steps)]


def test_a_step_has_the_plan_s_rows_to_erase_and_to_retain(host):
    plan = planned(rows=3, retain=1.0, retain_prompts=2, retain_rows=2)
    ((erased, retained),) = drawn(host, Lesson(host, plan, ["ghost"], train.seeded(0)), 1)
    assert (len(erased), len(retained)) == (3, 2)


def test_nothing_is_retained_where_it_has_no_weight(host):
    lesson = Lesson(host, planned(), ["ghost"], train.seeded(0))
    assert [retained for _, retained in drawn(host, lesson)] == [None] * 4


@pytest.mark.parametrize("harvest", [0, 4])
def test_apart_every_concept_has_a_step_and_rows_of_its_own(host, harvest):
    lesson = Lesson(host, planned(harvest=harvest), WORDS, train.seeded(0), "apart")
    assert [set(names(host, rows)) for rows, _ in drawn(host, lesson)] == [{"ghost"}, {"alien"}] * 2


def test_in_turn_a_run_has_captions_of_each_concept_and_together_of_one_list(host):
    turn, together = (Lesson(host, planned(), WORDS, train.seeded(0), mix) for mix in ("in turn", "together"))
    for lesson in (turn, together):
        drawn(host, lesson, 1)
    late = turn.sources[0].pool.all.rows(slice(4, 8))  # the first level's rows have prompts of their own
    assert names(host, late) == ["ghost", "alien"] * 2
    assert [len(one.sources[0].captions) for one in (turn, together)] == [2, 1]
    assert set(together.sources[0].captions[0]) == {text for own in turn.sources[0].captions for text in own}


def test_rows_are_sampled_anew_every_refresh_and_the_anchor_of_a_caption_names_no_concept(host):
    lesson, sizes = Lesson(host, planned(), WORDS, train.seeded(0)), []
    g = train.seeded(1)
    for step in range(5):
        lesson.rows(step, partial(sd.stock_guide, host), g)
        sizes.append(len(lesson.sources[0].pool.all))
    assert sizes == [8, 8, 16, 16, 24]  # four captions at two levels
    rows = lesson.sources[0].pool.all
    assert not (rows.anchor == rows.context).flatten(1).all(1).any()


def test_a_lesson_goes_on_with_the_rows_that_it_had(host):
    first, second = (Lesson(host, planned(refresh=9), WORDS, train.seeded(0), "apart") for _ in range(2))
    drawn(host, first, 2)
    second.load_state_dict(first.state_dict())
    one, other = (lesson.rows(2, partial(sd.stock_guide, host), train.seeded(5))[0].z for lesson in (first, second))
    assert torch.equal(one, other)


def test_a_network_is_unchanged_where_it_is_the_frozen_one(host):
    rows = drawn(host, Lesson(host, planned(), ["ghost"], train.seeded(0)), 1)[0][0]
    other = tiny.host("float64").unet
    assert float(unchanged(host.unet, other, rows)) == 0.0
    other.conv_out.bias.data.add_(2.0)
    assert float(unchanged(host.unet, other, rows)) == pytest.approx(4.0)
