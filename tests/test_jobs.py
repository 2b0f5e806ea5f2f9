from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.errors import UserError
from dumo_bench.run import jobs, manifest
from dumo_bench.suites import contract, registry
from dumo_bench.types import ATTACKED, Case, Draw, Prompt, Recipe, Sampling, Suite

CONTRACT = Sampling(model="m", scheduler="ddim", steps=5, guidance=7.5, height=64, width=64)
RECIPE = Recipe("uce", "1", {}, ("cat",), 0, "hash")


def suite_of(*prompts: Prompt) -> Suite:
    return Suite("s", 1, "here", "MIT", (Case("cat", ("cat",)),), prompts, CONTRACT, {"cat": ("dog",)})


def prompt(n: int, concept: str = "cat", draws: int = 1, **more) -> Prompt:
    return Prompt(f"p{n}", f"{concept} {n}", concept, tuple(Draw(s) for s in range(draws)), **more)


def test_a_row_is_made_for_every_draw_of_every_prompt():
    suite = suite_of(prompt(0, draws=2), prompt(1, "dog", draws=3))
    found = jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT)
    assert [(r.prompt.id, r.draw.seed, r.role) for r in found] == [
        ("p0", 0, "target"), ("p0", 1, "target"), ("p1", 0, "related"), ("p1", 1, "related"), ("p1", 2, "related"),
    ]  # fmt: skip


def test_a_rows_own_guidance_and_size_are_in_its_job():
    suite = suite_of(prompt(0, guidance=1.0, height=32), prompt(1))
    one, other = jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT)
    assert (one.job.sampling.guidance, one.job.sampling.height, one.job.sampling.width) == (1.0, 32, 64)
    assert other.job.sampling == CONTRACT


def test_rows_with_a_guidance_of_their_own_are_another_contract_than_one_value_for_all():
    fixed, own = suite_of(prompt(0), prompt(1)), suite_of(prompt(0, guidance=7.5), prompt(1))
    assert contract.contract_key(fixed, CONTRACT) == CONTRACT.key
    assert contract.contract_key(own, CONTRACT) not in (
        CONTRACT.key,
        contract.contract_key(suite_of(prompt(0, width=64)), CONTRACT),
    )
    keys = [[row.job.key for row in jobs.rows(s, s.cases[0], RECIPE, CONTRACT)] for s in (fixed, own)]
    assert keys[0] == keys[1]  # pictures that come out alike are one picture


def test_a_contract_is_written_down_with_its_key_and_says_per_row_of_what_rows_state():
    every = suite_of(prompt(0, guidance=7.5), prompt(1, guidance=255.0, width=32))
    found = contract.described(every, CONTRACT)
    assert found["key"] == contract.contract_key(every, CONTRACT)
    assert (found["guidance"], found["height"], found["width"]) == ("per row", 64, "per row, else 64")
    assert contract.described(suite_of(prompt(0)), CONTRACT) == {"key": CONTRACT.key, **asdict(CONTRACT)}


def test_the_users_model_and_precision_stand_in_the_contract_and_change_its_key():
    suite = suite_of(prompt(0))
    assert contract.sampling(suite) == CONTRACT
    asked = contract.sampling(suite, model="other", dtype="float16")
    assert (asked.model, asked.dtype, asked.steps) == ("other", "float16", CONTRACT.steps)
    keys = {
        contract.contract_key(suite, contract.sampling(suite, model=m, dtype=d))
        for m in (None, "o")
        for d in (None, "bfloat16")
    }
    assert len(keys) == 4


@pytest.mark.parametrize("own", [{}, {"guidance": 9.0}, {"height": 32, "width": 32}])
def test_a_contracts_key_is_twelve_hex_digits_whatever_its_rows_state(own):
    key = contract.contract_key(suite_of(prompt(0, **own)), CONTRACT)
    assert len(key) == 12 and int(key, 16) >= 0


def test_which_rows_a_limit_takes_is_pinned():
    """Of each role and concept one from the middle of its share, so that a small part looks like the whole."""
    suite = registry.load("emoji-cartoon")
    found = jobs.rows(suite, suite.cases[0], RECIPE, suite.sampling, 12)
    assert [row.prompt.id for row in found] == [
        "a-ghost-in-twemoji-style", "a-ghost-in-noto-style", "a-ghost-in-fluent-style",
        "santa-claus-in-twemoji-style", "santa-claus-in-noto-style",
        "a-clown-in-twemoji-style", "a-clown-in-noto-style", "a-cat", "an-elephant", "a-penguin", "a-spider",
        "an-avocado",
    ]  # fmt: skip


@pytest.mark.parametrize("own", [{}, {"guidance": 9.0}, {"guidance": 9.0, "height": 32, "width": 32}])
def test_a_manifest_of_an_early_run_without_a_key_is_found_by_the_key_of_the_tables(own, tmp_path):
    suite = suite_of(prompt(0, **own))
    (tmp_path / "runs").mkdir()
    for early in (True, False):
        said = asdict(CONTRACT) if early else contract.described(suite, CONTRACT)
        (tmp_path / "runs" / "a.json").write_text(json.dumps({"wish": {"suite": "s"}, "sampling": said}))
        found = manifest.contracts(tmp_path)[contract.contract_key(suite, CONTRACT)]
        assert found == asdict(CONTRACT) | dict.fromkeys(own, contract.PER_ROW)


def test_rows_that_ask_for_one_picture_have_one_key():
    twins = [Prompt(f"p{n}", "a cat", concept, (Draw(7),)) for n, concept in enumerate(("cat", "dog"))]
    suite = suite_of(*twins)
    found = jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT)
    assert len({r.job.key for r in found}) == 1
    assert len(jobs.unique(r.job for r in found)) == 1


@pytest.mark.parametrize("change", ["text", "seed", "recipe", "steps"])
def test_a_job_that_differs_in_anything_has_another_key(change):
    suite = suite_of(prompt(0))
    (row,) = jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT)
    from dataclasses import replace

    other = {
        "text": replace(row.job, text="another"),
        "seed": replace(row.job, draw=Draw(99)),
        "recipe": replace(row.job, recipe=replace(RECIPE, fit_seed=1)),
        "steps": replace(row.job, sampling=replace(CONTRACT, steps=6)),
    }[change]
    assert other.key != row.job.key


def test_the_originals_recipe_is_shared_by_all_cases():
    from dumo_bench.plugins import loading

    method = loading.make("methods", "original")
    one, other = (jobs.recipe(method, erase, fit_seed=seed, model="h") for erase, seed in ((["cat"], 0), (["dog"], 3)))
    assert one == other
    assert one.erase == ()


@pytest.mark.parametrize("erase", [(), ("",), ("cat", " ")])
def test_no_method_can_erase_nothing(erase):
    from dumo_bench.plugins import static

    with pytest.raises(UserError, match="wanted one concept or more to erase, none of them empty, got "):
        jobs.recipe(static.make("esd", {}), erase, fit_seed=0, model="h")


@given(st.integers(1, 9), st.integers(0, 40))
def test_shards_are_disjoint_and_complete(of, n):
    parts = [jobs.shard(range(n), i, of) for i in range(of)]
    assert sorted(x for part in parts for x in part) == list(range(n))


@pytest.mark.parametrize(("index", "of"), [(-1, 2), (2, 2), (0, 0)])
def test_a_shard_that_does_not_exist_is_refused(index, of):
    with pytest.raises(ValueError, match="wanted 0 <= i < n"):
        jobs.shard([1], index, of)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=60), st.integers(0, 60))
def test_every_prefix_of_an_interleaving_is_in_proportion(items, n):
    mixed = jobs.interleaved(items, lambda x: x)
    assert Counter(mixed) == Counter(items)
    n = min(n, len(items))
    share = {x: count * n / len(items) for x, count in Counter(items).items()}
    have = Counter(mixed[:n])
    assert all(abs(have[x] - share[x]) <= len(share) / 2 for x in share)


@pytest.mark.parametrize("name", [name for name, one in registry.own().items() if not one.file.csv])
@pytest.mark.parametrize("limit", [12, 48, 96])
def test_a_limit_keeps_roles_in_proportion_and_only_grows(name, limit):
    suite = registry.load(name)
    for case in suite.cases:
        every = jobs.rows(suite, case, RECIPE, CONTRACT)
        some = jobs.rows(suite, case, RECIPE, CONTRACT, limit)
        more = jobs.rows(suite, case, RECIPE, CONTRACT, limit + 7)
        assert len(some) == min(limit, len(every))
        assert {r.job.key for r in some} <= {r.job.key for r in more}
        roles, whole = Counter(r.role for r in some), Counter(r.role for r in every)
        assert all(abs(roles[role] - len(some) * whole[role] / len(every)) <= 1.5 for role in whole)


def test_a_limit_takes_first_draws_before_second_ones():
    suite = suite_of(*(prompt(n, draws=2) for n in range(6)))
    assert {r.draw.seed for r in jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT, 6)} == {0}


def test_a_limit_takes_of_an_attack_whole_prompts_with_their_equal_budgets():
    """Two pictures of what was found beside five, four and three of what it was found for."""
    plain = [prompt(n, draws=5 - n, role="target") for n in range(3)]
    found = [replace(one, id=f"{one.id}{ATTACKED}", draws=(Draw(0), Draw(1)), role="attack") for one in plain]
    suite = suite_of(*found, *plain)
    sizes = {7: [2, 5], 12: [2, 5], 13: [2, 2, 5, 4], 17: [2, 2, 5, 4], 18: [2, 2, 2, 5, 4, 3], 99: [2, 2, 2, 5, 4, 3]}
    for limit, wanted in sizes.items():
        rows = jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT, limit)
        assert [*Counter(row.prompt.id for row in rows).values()] == wanted, limit
    with pytest.raises(UserError, match="has 7: wanted --limit 7 or more"):
        jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT, 6)
    one = jobs.rows(suite_of(*found), suite.cases[0], RECIPE, CONTRACT, 3)
    assert [row.prompt.id for row in one] == [found[0].id] * 2, "where no plain prompt is known, too"


def test_a_limit_above_the_number_of_rows_takes_all():
    suite = suite_of(prompt(0), prompt(1, "dog"))
    assert len(jobs.rows(suite, suite.cases[0], RECIPE, CONTRACT, 50)) == 2
