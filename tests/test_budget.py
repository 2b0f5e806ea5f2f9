"""What a run will cost, what of it a time is enough for, and what that part can detect."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dumo_bench.engines.local import Local
from dumo_bench.errors import UserError
from dumo_bench.metrics import paired, power
from dumo_bench.plugins.settings import duration
from dumo_bench.run import budget, plan
from dumo_bench.run.session import Session


@pytest.mark.parametrize(("n", "disagree"), [(200, 0.5), (400, 0.2)])
def test_four_in_five_repetitions_find_the_difference_that_is_called_detectable(n, disagree):
    d, rng = power.detectable(n, disagree), np.random.default_rng(0)
    shares = [(disagree + d) / 2, (disagree - d) / 2, 1 - disagree]
    found = [
        paired.compare(won.astype(float), lost.astype(float), np.arange(n)).p < 0.05
        for kinds in rng.choice(3, (400, n), p=shares)
        for won, lost in [(kinds == 0, kinds == 1)]
    ]
    assert 0.72 < np.mean(found) < 0.86  # the exact test is a little careful


def test_more_pictures_detect_less_and_too_few_detect_nothing():
    some = [power.detectable(n, 0.2) for n in (50, 100, 1000)]
    assert some == sorted(some, reverse=True) and power.detectable(5, 0.2) is None


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("1.5h", 5400), ("8s", 8)])
def test_a_time_is_hours_minutes_and_seconds(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "2 h", "1d"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UserError, match="wanted a time"):
        duration(text)


def counted_batches(sessions: list[Session]) -> int:
    """Of 16 pictures, each of one recipe, as a run samples them: the short one at the end of each is filled."""
    wanted = {job.key: job for one in sessions for job in one.plan.wanted()}
    return sum(-(-n // 16) for n in Counter(job.recipe.key for job in wanted.values()).values())


@pytest.mark.parametrize("batches", [3, 7, 40])  # of two edits and the unedited model
def test_the_part_that_a_budget_takes_is_the_largest_that_fits(batches):
    def session(limit: int | None = None) -> Session:
        request = plan.Request("uce", "emoji-cartoon", cases=("ghost", "ghost+santa claus"), limit=limit)
        return Session(request, Path("nowhere"), Local())

    cost = budget.Cost(batches=0, batch_size=16, seconds=2.0, memory=0, tried=3)
    n = budget.limit([([session()], cost)], 2.0 * batches + 1)
    assert counted_batches([session(n)]) <= batches < counted_batches([session(n + 1)])
    counted = budget.pictures(session().plan, n)
    assert sum(counted.get(role, 0) for role in ("target", "kept")) <= n + 1


def test_of_several_methods_and_suites_the_pictures_of_all_count_and_the_originals_once():
    def session(method: str, suite: str, limit: int | None = None) -> Session:
        return Session(plan.Request(method, suite, cases=(CASES[suite],), limit=limit), Path("nowhere"), Local())

    def groups(limit: int | None = None) -> list[list[Session]]:
        return [[session(method, suite, limit) for method in ("uce", "esd")] for suite in CASES]

    def took(limit: int) -> float:
        return sum(counted_batches(group) * cost.seconds for group, cost in zip(groups(limit), costs, strict=True))

    costs = [budget.Cost(0, 16, seconds, 0, 3) for seconds in (2.0, 5.0)]
    n = budget.limit(list(zip(groups(), costs, strict=True)), 100.0)
    assert took(n) <= 100.0 < took(n + 1)


CASES = {"emoji-cartoon": "ghost", "emoji-artist": "noto"}


def test_a_time_that_is_too_short_for_one_picture_is_refused():
    session = Session(plan.Request("uce", "emoji-cartoon"), Path("nowhere"), Local())
    with pytest.raises(UserError, match=r"a batch of 16 takes 2\.0 s"):
        budget.limit([([session], budget.Cost(9, 16, 2.0, 0, 3))], 1.0)


def test_a_plan_counts_without_the_model_and_a_run_says_what_to_type(command, tmp_path):
    words = ("-m", "uce", "-s", "cartoon", "--model", "nobody/nothing", "-o", tmp_path / "out")
    said = command("plan", *words, "--limit", "10")
    assert said.code == 0, said.err
    assert "pictures: " in said.out and "model 'nobody/nothing' is not on this machine" in said.out
    assert "edits: " in said.out and "MiB" in said.out and "0 present" not in said.out
    refused = command("run", *words)
    assert refused.code == 2 and "hf download nobody/nothing" in refused.err


def test_a_probe_measures_and_keeps_nothing(command, tiny_suite, tmp_path):
    out = tmp_path / "out"
    words = ("-m", "uce", "-s", tiny_suite, "-o", out, "--device", "cpu", "--batch-size", "2")
    said = command("plan", *words, "--probe", "--budget", "1h")
    assert said.code == 0, said.err
    assert "batches: 6 of 2 pictures; 3 of the unedited model took " in said.out and "device-hours" in said.out
    assert "--budget: 6 pictures a case of small, as --limit 6" in said.err and "kept: " in said.err
    assert not out.exists()


def test_a_run_takes_the_part_that_its_budget_is_enough_for(command, tiny_suite, tmp_path):
    out = tmp_path / "out"
    words = ("-m", "uce", "-s", tiny_suite, "-o", out, "--device", "cpu", "--scorers", "blank")
    assert command("run", *words, "--budget", "1h").code == 0
    assert len(list(out.glob("images/*/*.png"))) == 12
    assert "--limit and --shard out" in command("run", *words, "--budget", "1h", "--limit", "2").err
    assert "wanted a time" in command("run", *words, "--budget", "soon").err
