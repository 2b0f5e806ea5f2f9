"""Keys that are put together from kept texts are the digests of the whole, and pictures are found by them."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dumo_bench.run import jobs
from dumo_bench.storage.store import Store
from dumo_bench.types import Case, Draw, Job, Prompt, Recipe, Sampling, Suite, canonical, digest

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))  # fmt: skip
RECIPES = st.builds(
    Recipe, method=TEXTS, version=TEXTS, params=st.dictionaries(TEXTS, JSON, max_size=4),
    erase=st.lists(TEXTS, max_size=3).map(tuple), fit_seed=st.integers(0, 2**63), model=TEXTS,
)  # fmt: skip
SCALES = st.none() | st.integers(0, 20) | st.floats(0, 20)
SAMPLINGS = st.builds(
    Sampling, model=TEXTS, scheduler=TEXTS, steps=st.integers(1, 99), guidance=SCALES.map(lambda x: x or 0.0),
    height=st.integers(8, 2048), width=st.integers(8, 2048), negative=TEXTS, sampler=TEXTS,
)  # fmt: skip
DRAWS = st.builds(Draw, seed=st.integers(0, 2**63), index=st.integers(0, 9), of=st.integers(1, 9))


def told(job: Job) -> dict[str, Any]:
    """All fields of a job, of which an empty starting point is none: there were jobs before there were any."""
    return {name: value for name, value in asdict(job).items() if name != "start" or value}


@given(RECIPES, TEXTS, DRAWS, SAMPLINGS, st.just("") | TEXTS)
def test_the_key_of_a_job_is_the_digest_of_all_its_fields(recipe, text, draw, sampling, start):
    job = Job(recipe, text, draw, sampling, start)
    assert job.key == digest(told(job))
    assert recipe.key == digest(asdict(recipe))
    assert sampling.key == digest(asdict(sampling))[:12]
    assert replace(job, text=text + ".").key == digest(told(replace(job, text=text + ".")))


@given(SAMPLINGS, st.lists(SCALES, max_size=6))
def test_rows_that_state_equal_numbers_of_another_type_keep_their_own_keys(contract, stated):
    """7 and 7.0 are equal, and other texts."""
    prompts = tuple(Prompt(str(n), "a cat", "cat", (Draw(n),), guidance=one) for n, one in enumerate(stated))
    suite = Suite("s", 1, "", "", (Case("c", ("cat",)),), prompts, contract)
    recipe = Recipe("uce", "1", {}, ("cat",), 0, "m")
    found = jobs.rows(suite, suite.cases[0], recipe, contract)
    for row, guidance in zip(found, stated, strict=True):
        own = replace(contract, guidance=contract.guidance if guidance is None else guidance)
        assert canonical(asdict(row.job.sampling)) == canonical(asdict(own))


def test_sizes_are_of_pictures_that_are_there_and_links_count_as_what_they_lead_to(tmp_path):
    recipe, contract = Recipe("uce", "1", {}, ("cat",), 0, "m"), Sampling("m", "ddim", 1, 7.5, 8, 8)
    wanted = [Job(recipe, "a cat", Draw(n), contract) for n in range(4)]
    store, (there, linked, astray, _) = Store(tmp_path), wanted
    for job in wanted[:3]:
        store.image_path(job).parent.mkdir(parents=True, exist_ok=True)
    store.image_path(there).write_bytes(b"12345")
    store.image_path(linked).symlink_to(store.image_path(there))
    store.image_path(astray).symlink_to(tmp_path / "nowhere")
    assert store.sizes(wanted) == [5, 5, None, None]
    assert store.missing([*wanted, *wanted]) == wanted[2:]
    assert [store.has(job) for job in wanted] == [True, True, False, False]
