"""Which rows of the summary are of a whole suite, and which are partial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import frames
import pytest
from test_summary import pick, score, world

from dumo_bench.analysis import coverage, summary
from dumo_bench.storage import table
from dumo_bench.types import Case, Draw, Prompt, Sampling, Suite

SAMPLING = Sampling("m", None, "ddim", 1, 1.0, 64, 64)


def suite(prompts: int = 5, draws: int = 2, **more: Any) -> Suite:
    """The suite that test_summary's world is of."""
    rows = tuple(
        Prompt(f"{concept}-{p}", "a text", concept, tuple(Draw(1, d, draws) for d in range(draws)))
        for concept in ("ghost", "alien", "dog")
        for p in range(prompts)
    )
    cases = (Case("ghost", ("ghost",)),)
    return Suite("emoji-cartoon", 1, "", "", cases, rows, SAMPLING, related={"ghost": ("alien",)}, **more)


def made(rows: list[dict[str, Any]], *suites: Suite) -> Any:
    return summary.make(found := frames.frame("scores", rows), table.empty("sets"), frames.known(found), suites)


def told(rows: list[dict[str, Any]], *suites: Suite) -> dict[tuple[str, str], tuple[int | None, bool | None]]:
    found = made(rows, *suites)
    mine = found[(found["concept"] == "*") & (found["method"] == "perfect")]
    return {(row["role"], row["metric"]): (row["expected"], row["partial"]) for row in table.records(mine)}


def test_every_role_of_a_whole_suite_has_as_many_pictures_as_are_expected():
    found = told(world(), suite())
    assert {partial for _, partial in found.values()} == {False}
    sizes = {role: n for (role, _), (n, _) in found.items()}
    assert sizes == {"target": 10, "related": 10, "unrelated": 10, "kept": 20, "all": 30}
    assert (
        pick(made(world(), suite()), method="perfect", role="related", concept="alien", metric="judge.object")[
            "expected"
        ]
        == 10
    )


@pytest.mark.parametrize("role", ["target", "related"])
def test_a_row_of_fewer_pictures_is_partial_and_what_is_made_of_it_too(role):
    """The other roles are whole."""
    rows = [row for row in world() if not (row["role"] == role and row["prompt_id"].endswith("-0"))]
    found = told(rows, suite())
    partial = {of for (of, _), (_, is_partial) in found.items() if is_partial}
    assert partial == {role, "all"} | ({"kept"} if role == "related" else set())
    assert found["target", "judge.erased.ua"] == (10, role == "target")


def test_what_could_not_be_measured_is_partial_and_what_was_not_asked_for_is_not():
    for note, is_partial in (("picture cannot be read: a.png", True), ("the prompt names no style", False)):
        rows = [row | ({"value": None, "note": note} if row["prompt_id"] == "dog-0" else {}) for row in world()]
        found = told(rows, suite())
        assert found["unrelated", "judge.object"] == (10, is_partial)
        assert found["all", "judge.object.h_c"] == (30, is_partial)
        assert found["related", "judge.object"] == (10, False)


def test_attacks_are_no_part_of_numbers_of_several_roles():
    attack = Prompt("a-0", "a text", "ghost", (Draw(1),), role="attack")
    more = suite()
    whole = coverage.of(Suite(more.name, 1, "", "", more.cases, (*more.prompts, attack), SAMPLING, more.related))
    roles = ("target", "attack", "kept")
    assert [whole["ghost", role, "*"] for role in roles] == [10, 1, 20]
    assert (whole["ghost", "attack", "ghost"], whole["ghost", "target", True]) == (1, 10)


def test_acc_e_is_expected_of_the_targets_that_name_the_erased_concept_and_acc_g_of_the_others():
    rows = [
        row | {"erase": '["ghost"]'} | ({"concept": "spirit"} if row["prompt_id"] == "ghost-0" else {})
        for row in world()
    ]
    more = suite()
    said = [replace(p, concept="spirit", role="target") if p.id == "ghost-0" else p for p in more.prompts]
    found = told(rows, replace(more, prompts=tuple(said)))
    assert found["target", "judge.erased.acc_e"] == (8, False)
    assert found["target", "judge.erased.acc_g"] == (2, False)
    assert found["all", "judge.object.h_o"] == (30, False)


def test_of_a_suite_that_cannot_be_read_nothing_is_known():
    assert set(told(world()).values()) == {(None, None)}


def test_another_version_of_a_suite_says_nothing():
    rows = [row | {"suite_version": 2} for row in [*world(), score("perfect", "dog", 9, suite_version=2)]]
    assert set(told(rows, suite()).values()) == {(None, None)}


def test_what_is_missing_for_one_reason_in_several_roles_is_added_up():
    notes = [
        "5 missing: picture cannot be read; means of 3 draws",
        "14 missing: picture cannot be read",
        "2 missing: asked nothing",
        "",
    ]
    assert coverage.together(notes) == "19 missing: picture cannot be read; 2 missing: asked nothing"
    assert coverage.together(["1 missing: a; and for other reasons"]) == "1 missing: a; and for other reasons"


def test_what_is_missing_is_counted_behind_what_a_set_is_and_a_note_that_counts_nothing_is_none():
    """Scorers of sets say what the set is first; a scorer of a user's own says what it likes."""
    few = "a set of fewer than 2 pictures: {} missing: picture cannot be read; n=0, emoji"
    notes = [few.format(2), few.format(1), "words missing: in its prompt", "3 missing: a: b missing: c"]
    assert coverage.together(notes) == "3 missing: picture cannot be read; 3 missing: a: b missing: c"
