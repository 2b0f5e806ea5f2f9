"""`dumo-bench selftest`: what it claims of known methods, and that a planted fault breaks the claim about it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import frames
import numpy as np
import pytest
import tiny
from test_summary import RUN, score

from dumo_bench.analysis import summary
from dumo_bench.errors import UserError
from dumo_bench.hosts import sample, sd
from dumo_bench.plugins import loading
from dumo_bench.selftest import expectations
from dumo_bench.selftest.controls import SUITE
from dumo_bench.selftest.controls.perfect import Perfect
from dumo_bench.selftest.controls.shuffled import shuffled
from dumo_bench.suites import registry
from dumo_bench.types import Edit

CONCEPTS = [
    ("ghost", "target"), ("spook", "target"), ("ghost", "attack"), ("alien", "related"), ("snowman", "related"),
    ("pizza", "unrelated"), ("cat", "unrelated"),
]  # fmt: skip
METHODS = ("original", *expectations.KNOWN)


def world() -> list[dict[str, Any]]:
    """Scores as a faultless judge and CLIP would give them: 8 prompts a concept."""
    rows = []
    for method in METHODS:
        for concept, role in CONCEPTS:
            right = method in ("original", "identity") or (method == "perfect" and role != "target")
            ghost = role in ("target", "attack") and (right or method == "shuffled")
            values = {
                "judge.object": float(right or ghost),
                "judge.erased": float(ghost),
                "judge.nothing": float(method == "blank"),
                "clip.x.cosine": 0.5 if right else 0.1,
                "clip.x.accuracy": float(right),
                "clip.x.erased": float(ghost),
                "style.x.right": float(right),
                "nudenet.rece.total": 0.0,
                "nudenet.rece.FEET_EXPOSED": 0.0,
                "lpips_x": 0.0 if method in ("original", "identity") or right else 0.5,
            }
            where = {"concept": concept, "role": role, "erase": "[]" if method == "original" else '["ghost"]'}
            rows += [
                score(method, "dog", 0, metric=metric, value=value, prompt_id=f"{concept}-{role}-{i}") | where
                for metric, value in values.items()
                for i in range(8)
            ]
    return rows


def sets() -> list[dict[str, Any]]:
    """Numbers of sets as exact arithmetic would give them."""
    numbers = {
        "fid.x.original": {"perfect": 0.0, "blank": 9.0},
        "kid.x.original": {"original": -0.1, "identity": -0.1, "perfect": -0.1, "blank": 2.0, "shuffled": -0.1},
        "fid.x.real": {"blank": 9.0},
        "diversity.x": {"blank": 0.0},
        "real_distance.x": {},
    }
    usual = {"fid.x.original": 0.0, "fid.x.real": 2.0, "diversity.x": 0.6, "real_distance.x": 0.1}
    run = {name: value for name, value in RUN.items() if name != "key"}
    counted = {"n": 32, "n_missing": 0, "low": None, "high": None, "how": ""}
    return [
        {
            **run,
            **counted,
            "method": method,
            "role": role,
            "metric": metric,
            "value": known.get(method, usual.get(metric)),
        }
        for method in METHODS
        for role in ("target", "kept")
        for metric, known in numbers.items()
    ]


def claims(out: Path, scores: list[dict[str, Any]], of_sets: list[dict[str, Any]]) -> list[expectations.Claim]:
    frames.write(out / "tables", "scores", "a", scores)
    frames.write(out / "tables", "sets", "a", of_sets)
    summary.write(out)
    return expectations.claims(expectations.Facts(out))


def test_faultless_scores_of_the_known_methods_hold_every_claim(tmp_path):
    found = claims(tmp_path, world(), sets())
    assert [claim for claim in found if not claim.holds] == []
    assert {claim.method for claim in found} == set(METHODS)
    assert len(found) > 50


def test_claims_of_metrics_that_no_scorer_was_asked_for_are_left_out_and_no_failure(tmp_path):
    of_clip = [row for row in world() if row["metric"] == "clip.x.cosine"]
    found = claims(tmp_path, of_clip, [])
    assert {claim.holds for claim in found} == {True, None}
    left = [claim for claim in found if claim.holds is None]
    assert left and all("no scorer of it was run" in claim.found for claim in left)
    assert all("judge." in claim.says for claim in left)
    assert not any("judge." in claim.says for claim in found if claim.holds)


def test_with_numbers_of_sets_alone_claims_of_pictures_are_left_out(tmp_path):
    found = claims(tmp_path, [], sets())
    assert {claim.holds for claim in found} == {True, None}
    assert [c.holds for c in found if c.says == "no score of any picture changes"] == [None]


def test_a_distance_to_real_pictures_that_nobody_gave_is_left_out_and_one_that_failed_is_not(tmp_path):
    none = [row | ({"value": None, "note": "none"} if row["metric"] == "fid.x.real" else {}) for row in sets()]
    (left,) = [claim for claim in claims(tmp_path / "none", [], none) if "fid.x.real" in claim.says]
    assert (left.holds, left.found) == (None, "left out: the original's was not measured")
    lost = [planted("blank", "fid.x.real", None)(row) for row in sets()]
    assert False in {claim.holds for claim in claims(tmp_path / "lost", [], lost) if "fid.x.real" in claim.says}


Fault = Callable[[dict[str, Any]], dict[str, Any]]


def planted(method: str, metric: str, value: float | None, role: str = "") -> Fault:
    def fault(row: dict[str, Any]) -> dict[str, Any]:
        mine = (row["method"], row["metric"]) == (method, metric) and role in ("", row["role"])
        return row | ({"value": value, "note": "" if value is not None else "lost"} if mine else {})

    return fault


def of_concept(method: str, metric: str, value: float, concept: str) -> Fault:
    def fault(row: dict[str, Any]) -> dict[str, Any]:
        mine = (row["method"], row["metric"], row.get("concept")) == (method, metric, concept)
        return row | ({"value": value} if mine else {})

    return fault


FAULTS = {
    "a scorer that is not deterministic": (planted("identity", "clip.x.cosine", 0.5001), "identity"),
    "a judge that sees the concept everywhere": (planted("perfect", "judge.erased", 1.0, "target"), "perfect"),
    "a judge that sees nothing in pictures": (planted("original", "judge.erased", 0.0, "target"), "original"),
    "an eraser's loss that is not seen": (planted("perfect", "judge.object", 0.5), "perfect"),
    "a blank tile that counts as kept": (planted("blank", "judge.object", 1.0), "blank"),
    "a variety that a blank tile has": (planted("blank", "diversity.x", 0.6), "blank"),
    "a distance that sees no blank tile": (planted("blank", "fid.x.real", 2.0), "blank"),
    "a distance that depends on the order": (planted("shuffled", "fid.x.original", 1.0), "shuffled"),
    "a biased kernel distance": (planted("identity", "kid.x.original", 0.1), "identity"),
    "a score that looks at no prompt": (planted("shuffled", "clip.x.cosine", 0.5), "shuffled"),
    "a rate by sets, not by prompts": (planted("shuffled", "judge.object", 1.0), "shuffled"),
    "a CLIP that sees the concept everywhere": (planted("perfect", "clip.x.erased", 1.0), "perfect"),
    "a CLIP that sees a tile as everything": (planted("blank", "clip.x.accuracy", 1.0), "blank"),
    "a CLIP that looks at no picture": (planted("shuffled", "clip.x.accuracy", 1.0), "shuffled"),
    "a style that a blank tile has": (planted("blank", "style.x.right", 1.0), "blank"),
    "a style that nothing has": (planted("original", "style.x.right", 0.0), "original"),
    "a body on a blank tile": (planted("blank", "nudenet.rece.total", 1.0), "blank"),
    "a total that is not the sum of its classes": (planted("original", "nudenet.rece.FEET_EXPOSED", 0.01), "original"),
    "an attack that finds what was never drawn": (planted("blank", "judge.erased", 1.0, "attack"), "blank"),
    "an attack that finds nothing": (planted("original", "judge.erased", 0.0, "attack"), "original"),
    "an eraser that stops what it cannot read": (planted("perfect", "judge.erased", 0.0, "attack"), "perfect"),
    "a harmonic mean of an erasure that is none": (planted("identity", "judge.erased", 0.0, "target"), "identity"),
    "other words that are not asked": (of_concept("perfect", "judge.erased", 1.0, "spook"), "perfect"),
    "a distance of a picture to itself": (planted("identity", "lpips_x", 0.01), "identity"),
    "a distance of kept pictures": (planted("perfect", "lpips_x", 0.4), "perfect"),
    "a distance that no blank tile has": (planted("blank", "lpips_x", 0.0), "blank"),
    "a scorer that lost its pictures": (planted("blank", "judge.erased", None), "blank"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_breaks_a_claim_about_its_method(tmp_path, name):
    fault, method = FAULTS[name]
    found = claims(tmp_path, [fault(row) for row in world()], [fault(row) for row in sets()])
    assert method in {claim.method for claim in found if not claim.holds}


def test_the_suite_has_equal_seeds_within_a_role_and_enough_target_prompts():
    suite = registry.load(str(SUITE))
    roles: dict[str, set[Any]] = {}
    for prompt in suite.prompts:
        roles.setdefault(suite.role(suite.cases[0], prompt), set()).add(prompt.draws)
    assert {role: len(draws) for role, draws in roles.items()} == dict.fromkeys(
        ("target", "attack", "related", "unrelated"), 1
    )
    targets = [prompt for prompt in suite.prompts if suite.role(suite.cases[0], prompt) == "target"]
    assert 2 / 2 ** len(targets) * 3 < 0.05  # the least p by prompts, after correction over three roles


def test_a_shuffle_gives_every_text_once_and_none_its_own_concept():
    suite = registry.load(str(SUITE))
    kept = [prompt for prompt in suite.prompts if suite.role(suite.cases[0], prompt) == "unrelated"]
    concept = {prompt.text: prompt.concept for prompt in kept}
    found = shuffled(kept)
    assert sorted(found) == sorted(found.values()) == sorted(concept)
    assert all(concept[text] != concept[other] for text, other in found.items())


def test_a_shuffle_of_unequal_seeds_is_refused():
    suite = registry.load("emoji-cartoon")
    with pytest.raises(UserError, match="share seeds"):
        shuffled([prompt for prompt in suite.prompts if prompt.concept == "ghost"])


@pytest.mark.parametrize(
    ("text", "gone", "said"),
    [
        ("a photo of a ghost", ["ghost"], "a photo of a mushroom"),
        ("Santa Claus, ghostly", ["ghost", "santa claus"], "a mushroom, ghostly"),
        ("an alien", ["ghost"], "an alien"),
    ],
)
def test_the_perfect_eraser_replaces_the_name_with_its_article_and_nothing_else(text, gone, said):
    assert Perfect().without(text, gone) == said


@pytest.fixture(scope="module")
def host() -> sd.Host:
    return tiny.host("float64")


def drawn(host: sd.Host, spec: str, texts: list[str], **settings: Any) -> np.ndarray[Any, Any]:
    method = loading.make("methods", f"dumo_bench.selftest.controls.{spec}", settings)
    edit = method.fit(host, ("ghost",), seed=0)
    jobs = [tiny.job(text, seed) for seed, text in enumerate(texts)]
    with method.apply(host, Edit(edit.tensors, {**edit.header, "model_hash": host.hash})) as guide:
        return sample.clean(host, guide, jobs).numpy()


TEXTS = ["a ghost", "a photo of dog"]


def test_the_identity_draws_what_the_original_draws(host):
    plain = sample.clean(host, lambda given: sd.stock_guide(host, given), [tiny.job(t, i) for i, t in enumerate(TEXTS)])
    assert np.array_equal(drawn(host, "identity:Identity", TEXTS), plain.numpy())


def test_the_perfect_eraser_changes_the_target_and_leaves_the_rest_bit_for_bit(host):
    same, found = drawn(host, "identity:Identity", TEXTS), drawn(host, "perfect:Perfect", TEXTS)
    assert np.abs(same[0] - found[0]).max() > 1e-6
    assert np.array_equal(same[1], found[1])


def test_the_blank_draws_one_tile_whatever_is_asked_for(host):
    found = drawn(host, "blank:Blank", TEXTS)
    assert found.std() < 0.04  # 1 without it; DDIM leaves sqrt(1 - alpha) of the noise at its last step


def test_the_shuffled_control_draws_another_prompts_picture(host, tmp_path):
    path = tmp_path / "two.toml"
    case = '[[cases]]\nname = "ghost"\nerase = ["ghost"]\n'
    block = '[[block]]\nconcepts = ["a cat", "a pizza", "a ghost"]\ntemplates = ["{thing}"]\nseeds = [1]\n'
    path.write_text(SUITE.read_text().partition("[[cases]]")[0] + case + block)
    pair = ["a cat", "a pizza"]
    mine = drawn(host, "shuffled:Shuffled", pair, suite=str(path))
    theirs = drawn(host, "identity:Identity", pair[::-1])
    assert np.allclose(mine, theirs)


def test_the_shuffled_control_without_its_suite_says_what_to_type(host):
    with pytest.raises(UserError, match="--set suite=NAME"):
        drawn(host, "shuffled:Shuffled", TEXTS)


@pytest.mark.parametrize("spec", [spec for spec, _ in expectations.KNOWN.values()])
def test_an_edit_of_another_model_is_refused(host, spec):
    method = loading.make("methods", spec)
    with pytest.raises(UserError, match="made for a model"), method.apply(host, Edit({}, {"model_hash": "0" * 64})):
        pass


def test_known_methods_are_no_erasers_of_the_list():
    assert not set(expectations.KNOWN) & set(loading.names("methods"))


def test_the_command_fails_where_a_claim_does(monkeypatch, command):
    from dumo_bench.cli import selftest

    wrong = expectations.Claim("identity", "nothing changes", "0", "0.5", False)
    monkeypatch.setattr(selftest, "tested", lambda *_: [wrong])
    said = command("selftest")
    assert said.code == 1 and "FAIL" in said.out and "0 of 1 claims hold; 1 do not" in said.out
    assert command("selftest", "--json").rows("claims")[0]["holds"] is False


def test_what_cannot_be_checked_is_said_and_no_failure(monkeypatch, command):
    from dumo_bench.cli import selftest

    there = [
        expectations.Claim("identity", "nothing changes", "0", "0", True),
        expectations.unchecked("lpips", "type this"),
    ]
    monkeypatch.setattr(selftest, "tested", lambda *_: there)
    said = command("selftest")
    assert said.code == 0 and "1 of 1 claims hold; 1 not checked" in said.out and "type this" in said.out
    assert [claim["holds"] for claim in command("selftest", "--json").rows("claims")] == [True, None]


LYING = '''
from dataclasses import dataclass
from dumo_bench.interfaces import Scorer
from dumo_bench.scorers.pictures import scored
from dumo_bench.types import Metric, Score

@dataclass(frozen=True)
class Lying(Scorer):
    """Depends on the file's name."""
    name = "lying"
    version = "1"
    cite = "a test"
    metrics = (Metric("lying", "rest of a division by 97", "higher"),)

    def score(self, samples):
        return scored(samples, self.metrics, self._measure)

    def _measure(self, samples, pictures):
        return [[Score("lying", int(sample.image.stem, 16) % 97)] for sample in samples]
'''


@pytest.mark.slow
def test_every_claim_holds_on_emoji_sd_and_a_lying_scorer_is_caught(tmp_path, command):
    said = command("selftest", "--out", tmp_path / "out", "--json")
    assert said.code == 0, [claim for claim in said.rows("claims") if claim["holds"] is False]
    (tmp_path / "lying.py").write_text(LYING)
    scorers = f"concept,clip_score,likeness,fid,kid,{tmp_path / 'lying.py'}:Lying"
    said = command("selftest", "--out", tmp_path / "out", "--scorers", scorers, "--json")
    failed = {(claim["method"], claim["says"]) for claim in said.rows("claims") if claim["holds"] is False}
    assert said.code == 1 and ("identity", "no score of any picture changes") in failed
