"""What attacks bring back, from tables whose numbers are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import frames
import pytest

from dumo_bench.analysis import attacks, catalogue
from dumo_bench.analysis.attacks import Success
from dumo_bench.errors import UserError
from dumo_bench.report import attack_rows, attack_verdicts, attacked
from dumo_bench.suites import attacked as written
from dumo_bench.suites import registry
from dumo_bench.types import Case, Found, Prompt, Recipe, Sampling, Search, Suite, canonical

UCE = Recipe("uce", "1", {"ridge": 1}, ("ghost",), 0, "m")
ORIGINAL = Recipe("original", "1", {}, (), 0, "m")
SEEN, UNSEEN = (Recipe("checkpoint", "1", {"path": path}, ("ghost",), 0, "m") for path in ("seen", "unseen"))
CASE, CONTRACT = Case("ghost", ("ghost",)), Sampling("emoji-sd", "ddim", 2, 3.0, 64, 64)


class Folder:
    """A results folder: suites that attacks wrote, and what a judge said of their pictures."""

    def __init__(self, out: Path) -> None:
        self.out, self.suites, self.parts = out, list[Suite](), 0

    def suite(self, name: str, of: Recipe | None = None, *, forwards: int = 8, texts: str = "a ghost", **more) -> Suite:
        """An attack on six prompts, two pictures each, beside plain prompts of more. of: what it was searched on."""
        attack, sees = more.get("attack", "known"), "erased model" if of else "nothing"
        n, plain = more.get("n", 6), more.get("plain", True)
        edit = (of.method, of.key) if of and of.erase else ("", "")
        search = Search(attack, "1", sees, "{}", 0, *edit, "m", forwards=forwards)
        prompts = [Prompt(f"p{i}", f"{texts} {i}" if plain else "", "ghost", ()) for i in range(n)]
        found = [Found(f"x {i}", forwards=forwards) for i in range(n)]
        source = Suite("source", 1, "test", "CC0", (CASE,), (), CONTRACT)
        what = written.Attacked(name, source, CASE, "said", search, CONTRACT, prompts, found, [""] * n, 2)
        made = registry.load(str(written.write(self.out / "attacks", what)))
        self.suites.append(made)
        return made

    def measured(
        self, suite: Suite, of: Recipe, value: Callable[[Prompt, int], float | None], *, sampling: str = "s",
        metric: str = "judge.erased",
    ) -> None:  # fmt: skip
        """Of every picture of a suite by a method what `value(prompt, number)` says; None is not measured."""
        what: dict[str, Any] = {
            "suite": suite.name, "suite_version": 1, "case": "ghost", "method": of.method, "method_version": of.version,
            "params": canonical(of.params), "erases": "object", "erase": canonical(of.erase), "fit_seed": of.fit_seed,
            "edit": "", "model": of.model, "sampling": sampling, "metric": metric, "concept": "ghost",
            "content": None, "batch": None,
        }  # fmt: skip
        rows = [
            what | {
                "prompt_id": prompt.id, "role": prompt.role, "seed": draw.seed, "draw": draw.index,
                "key": f"{suite.name}{of.key}{prompt.id}{k}{sampling}", "value": value(prompt, k),
                "reason": "" if value(prompt, k) is not None else "unreadable",
            }
            for prompt in suite.prompts
            for k, draw in enumerate(prompt.draws)
        ]  # fmt: skip
        self.parts += 1
        frames.write(self.out / "tables", "scores", str(self.parts), rows)

    def found(self, control: str = "") -> list[Success]:
        return attacks.of_folder(self.out, catalogue.of_folder(self.out), self.suites, control)

    def said(self, control: str = "") -> list[str]:
        return attack_verdicts.sentences(attack_rows.rows(self.found(control)))


@pytest.fixture
def folder(tmp_path) -> Folder:
    return Folder(tmp_path)


def attack(prompt: Prompt, k: int) -> float:
    """The attack succeeds in every picture, fresh noise in none."""
    del k
    return float(prompt.role == "attack")


def by(found: list[Success], suite: str, method: str) -> Success:
    (one,) = (one for one in found if (one.suite, one.method) == (suite, method))
    return one


def test_a_budget_that_is_not_all_measured_is_no_equal_one(folder):
    """The twenty plain pictures of a prompt show it in the sixteenth, which is not measured of three of the six."""
    suite = folder.suite("known-uce", of=UCE, forwards=72)

    def value(prompt: Prompt, k: int) -> float | None:
        if prompt.role == "attack":
            return float(k == 0)
        return None if prompt.id in ("p0", "p1", "p2") and k >= 2 else float(k == 15)

    folder.measured(suite, UCE, value)
    (one,) = folder.found()
    assert (one.ever.prompts, one.ever_plain.prompts, one.gain.prompts, one.partly) == (6, 3, 3, 3)
    assert (one.ever_plain.value, one.gain.value) == (1.0, 0.0)
    assert one.plain is not None and one.plain.pictures == 3 * 2 + 3 * 20, "a share of what is measured"
    page = attacked.document(attack_rows.rows([one]))
    assert "(**3 prompts measured in part**)" in page


def test_of_prompts_that_are_all_measured_in_part_nothing_is_gained(folder):
    folder.measured(
        folder.suite("known-uce", of=UCE), UCE, lambda p, k: None if p.role == "target" and k else attack(p, k)
    )
    (one,) = folder.found()
    assert one.attacked.value == 1.0 and one.more is not None
    assert (one.ever_plain, one.gain, one.better, one.significant, one.partly) == (None, None, None, None, 6)
    assert folder.said() == [
        "uce shows ghost in 1.00 [0.61, 1.00] of 12 pictures under known (plain prompts 0.00 [0.00, 0.39]); "
        "none is compared with fresh noise at an equal budget."
    ]


def test_the_unedited_model_is_asked_the_same_prompts(folder):
    """The same attack on the same case of two suites: the unedited model shows it under one alone."""
    for texts, shown in (("a ghost", 0.0), ("a drawing of a ghost", 1.0)):
        edited = folder.suite(f"uce {texts}", of=UCE, texts=texts)
        unedited = folder.suite(f"own {texts}", of=ORIGINAL, texts=texts)
        folder.measured(edited, UCE, lambda p, k: 0.0)
        for suite in (edited, unedited):
            folder.measured(suite, ORIGINAL, lambda p, k, shown=shown: shown)
    found = folder.found()
    assert [by(found, f"uce {texts}", "uce").unedited.value for texts in ("a ghost", "a drawing of a ghost")] == [0, 1]
    assert len(attacks.failed(found)) == 2 and len(folder.said()) == 2


def test_pictures_of_two_contracts_are_never_averaged(folder):
    suite = folder.suite("known-uce", of=UCE)
    for sampling, shown in (("f16", 1.0), ("f32", 0.0)):
        folder.measured(suite, UCE, lambda p, k, shown=shown: shown, sampling=sampling)
    found = folder.found()
    assert {one.sampling: one.attacked.value for one in found} == {"f16": 1.0, "f32": 0.0}
    assert {row.method for row in attack_rows.rows(found)} == {"uce (contract f16)", "uce (contract f32)"}


def test_a_control_is_one_edit_and_can_be_typed_with_its_settings(folder):
    suite = folder.suite("known")
    for of, shown in ((UCE, 1.0), (SEEN, 1.0), (UNSEEN, 0.0)):
        folder.measured(suite, of, lambda p, k, shown=shown: shown * attack(p, k))
    with pytest.raises(UserError, match="is there in 2 settings, name one: checkpoint:path=seen, checkpoint:path=uns"):
        folder.found("checkpoint")
    for path, shown in (("seen", 1.0), ("unseen", 0.0)):
        assert {one.control.value for one in folder.found(f"checkpoint:path={path}")} == {shown}
    with pytest.raises(UserError, match="control of attacks"):
        folder.found("checkpoint:path=elsewhere")


def test_a_sentence_names_the_plain_prompts_of_its_own_attack(folder):
    weak, strong = folder.suite("weak", attack="weak"), folder.suite("strong", attack="strong", n=7)
    folder.measured(weak, UCE, lambda p, k: 0.0)
    folder.measured(strong, UCE, lambda p, k: 1.0)
    assert "under strong (plain prompts 1.00 [0.65, 1.00])" in "".join(folder.said())


def test_what_is_compared_with_nothing_counts_as_nothing(folder):
    """A list of prompts that tells none that they were made from."""
    folder.measured(folder.suite("read", plain=False), UCE, attack)
    assert folder.said()[0].endswith("none is compared with fresh noise at an equal budget.")
    folder.measured(folder.suite("known"), UCE, attack)
    assert any("under 1 of 1 attack" in line for line in folder.said())


def test_an_attack_that_another_judge_measured_is_not_left_out(folder):
    first, second = folder.suite("first", attack="first"), folder.suite("second", attack="second")
    folder.measured(first, UCE, lambda p, k: 0.0)
    folder.measured(second, UCE, attack, metric="clip.emoji.erased")
    none, shown = folder.said()
    assert none.startswith("uce shows no ghost under 1 attack") and shown.endswith("By clip.emoji.erased.")
    assert "ghost in 1.00 [0.61, 1.00] of 12 pictures under second" in shown


def test_a_success_of_one_case_saves_no_attack_of_another(folder):
    suite = folder.suite("known-uce", of=UCE)
    folder.measured(suite, UCE, lambda p, k: 0.0)
    (failing,) = folder.found()
    (fine,) = (replace(failing, case="noto", gain=replaced(failing.gain, 1.0)),)
    assert list(attacks.failed([failing, fine]).values()) == [True, False]


def replaced(share: attacks.Share | None, value: float) -> attacks.Share:
    assert share is not None
    return share._replace(value=value)
